package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as; nil is the one we run as.
type account struct {
	uid, gid uint32
}

// serviceAccount chooses whom PostgreSQL, which refuses to run as root, is to run
// as: whoever called sudo, or a user who may do little else.
func serviceAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if a, ok := parseAccount(os.Getenv("SUDO_UID"), os.Getenv("SUDO_GID")); ok {
		return a, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if a, ok := parseAccount(u.Uid, u.Gid); ok {
			return a, nil
		}
	}
	return nil, errors.New("PostgreSQL cannot run as root, and there is neither a user postgres nor a user nobody to run it as")
}

func parseAccount(uid, gid string) (*account, bool) {
	u, uidErr := strconv.ParseUint(uid, 10, 32)
	g, gidErr := strconv.ParseUint(gid, 10, 32)
	if uidErr != nil || gidErr != nil || u == 0 || g == 0 {
		return nil, false
	}
	return &account{uid: uint32(u), gid: uint32(g)}, true
}

// ownerOf returns the account that info's file belongs to, nil if we are not root
// or it is root's.
func ownerOf(info fs.FileInfo) *account {
	stat := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || stat.Uid == 0 {
		return nil
	}
	return &account{uid: stat.Uid, gid: stat.Gid}
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid} // and no further groups
}

// uidOrOurs is the user id that PostgreSQL runs with.
func (a *account) uidOrOurs() uint32 {
	if a == nil {
		return uint32(os.Geteuid())
	}
	return a.uid
}

// own gives a file in root to the account. It follows no symbolic link.
func (a *account) own(root *os.Root, name string) error {
	if a == nil {
		return nil
	}
	return root.Lchown(name, int(a.uid), int(a.gid))
}

// canReach reports whether the account may pass through dir: it tries, since modes
// are not all that decides.
func (a *account) canReach(ctx context.Context, dir string) (bool, error) {
	if a == nil {
		return true, nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	err := cmd.Run()
	if errors.Is(err, syscall.EACCES) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("try whether user %d can reach %s: %w", a.uid, dir, err)
	}
	return true, nil
}

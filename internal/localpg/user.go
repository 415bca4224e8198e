package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// chooseOwner returns the owner of an existing cluster, or else serviceUser.
func chooseOwner(cluster string) (*syscall.Credential, error) {
	if info, err := os.Stat(cluster); err == nil && os.Geteuid() == 0 {
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 0 {
			return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
		}
	}
	return serviceUser()
}

// serviceUser returns the user that runs PostgreSQL, which refuses to run as root. nil
// means the current user.
func serviceUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if errors.Join(err, gidErr) == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL cannot run as root, and there is neither a user postgres nor a user nobody: create a user postgres, or run this as another user")
}

// checkEntry returns an error if the user that runs PostgreSQL may not enter dir. If the
// file modes are the reason, the error contains the command that fixes them. checkEntry
// starts a program in dir to find out, because file modes are not the only restriction.
func checkEntry(ctx context.Context, owner *syscall.Credential, dir string) error {
	if owner == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	err := cmd.Run()
	if !errors.Is(err, syscall.EACCES) {
		return err
	}
	var closed []string
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&1 == 0 {
			closed = append(closed, "'"+strings.ReplaceAll(dir, "'", `'\''`)+"'")
		}
	}
	fix := "Choose another directory"
	if len(closed) > 0 {
		fix += ", or run: chmod o+x " + strings.Join(closed, " ")
	}
	return fmt.Errorf("PostgreSQL cannot run as root, so it runs as user %d, who has no permission to enter the directory. %s", owner.Uid, fix)
}

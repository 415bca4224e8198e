package localpg

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	oldestMajor = 15
	anyMajor    = 0
)

// ErrNotInstalled is returned, wrapped with what was found instead, when no fitting
// PostgreSQL server is installed.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed (programs initdb and postgres)")

// FindBinaries returns the directory with the programs initdb and postgres, of
// version 15 or newer. It looks along PATH, where pg_config points, and where
// packages put them, the newest first. The programs must be ones that the user can
// run whom Start would run them as.
//
// The error is ErrNotInstalled, wrapped with what was passed over and why.
func FindBinaries() (dir string, err error) {
	owner, err := serviceAccount()
	if err != nil {
		return "", fmt.Errorf("localpg: %w", err)
	}
	dir, err = installedSearch(owner).find(anyMajor)
	if err != nil {
		return "", fmt.Errorf("localpg: %w", err)
	}
	return dir, nil
}

// search looks for installed programs.
type search struct {
	path string   // as in the environment
	root string   // what the usual places are under
	user *account // who has to be able to run them
}

func installedSearch(user *account) search {
	return search{path: os.Getenv("PATH"), root: "/", user: user}
}

// find returns the first directory whose programs have the major version, or for
// anyMajor one that is new enough.
func (s search) find(major int) (string, error) {
	wanted := fmt.Sprintf("version %d", major)
	if major == anyMajor {
		wanted = fmt.Sprintf("version %d or newer", oldestMajor)
	}
	var passed []string
	for dir := range s.installed() {
		got, err := s.major(dir)
		if err != nil {
			passed = append(passed, fmt.Sprintf("%s (%v)", dir, err))
			continue
		}
		if got == major || major == anyMajor && got >= oldestMajor {
			return dir, nil
		}
		passed = append(passed, fmt.Sprintf("%s (version %d)", dir, got))
	}
	if passed == nil {
		return "", fmt.Errorf("%w: %s is needed", ErrNotInstalled, wanted)
	}
	return "", fmt.Errorf("%w that will do: %s is needed, passed over %s", ErrNotInstalled, wanted, strings.Join(passed, ", "))
}

// installed goes through the candidates that have both programs.
func (s search) installed() iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := make(map[string]bool)
		for dir := range s.candidates() {
			if seen[dir] || !isProgram(filepath.Join(dir, "initdb")) || !isProgram(filepath.Join(dir, "postgres")) {
				continue
			}
			seen[dir] = true
			if !yield(dir) {
				return
			}
		}
	}
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// major asks postgres for its version.
func (s search) major(dir string) (int, error) {
	out, err := s.output(filepath.Join(dir, "postgres"), "--version")
	if errors.Is(err, syscall.EACCES) && s.user != nil {
		return 0, fmt.Errorf("user %d, whom it would run as, cannot run it", s.user.uid)
	}
	if err != nil {
		return 0, err
	}
	// postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)
	fields := strings.Fields(out)
	if len(fields) < 3 {
		return 0, fmt.Errorf("unknown version %q", out)
	}
	return parseMajor(fields[2])
}

// parseMajor reads the 15 in 15.12, 15beta1 and 15.
func parseMajor(version string) (int, error) {
	digits := strings.TrimSpace(version)
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("unknown version %q", version)
	}
	return major, nil
}

// output runs a program that has its answer ready.
func (s search) output(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user.credential()}
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// Package pgprograms finds PostgreSQL's programs on this machine, or downloads them.
package pgprograms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// AnyMajor stands for every supported major version.
	AnyMajor    = 0
	oldestMajor = 15
)

// ErrNotInstalled is returned, wrapped with what was found instead, if no suitable
// PostgreSQL server is installed.
var ErrNotInstalled = errors.New("no suitable PostgreSQL server (the programs initdb and postgres) is installed")

// usualPlaces are the directories in which packages install PostgreSQL: Debian, Homebrew
// on both kinds of Mac, PostgreSQL's packages for Red Hat, and Postgres.app.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/usr/pgsql-*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Installed returns the directory of installed programs initdb and postgres of the major
// version, or of version 15 or newer for AnyMajor. user, or the current user if it is
// nil, must be able to run them. Installed prefers the first directory in PATH, and then the
// newest version in the first of the usual places that has one. The error is
// ErrNotInstalled, wrapped with what was found.
func Installed(user *syscall.Credential, major int) (dir string, err error) {
	return findInstalled(user, os.Getenv("PATH"), usualPlaces, major)
}

func findInstalled(user *syscall.Credential, path string, places []string, major int) (string, error) {
	dirs := slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool { return !filepath.IsAbs(dir) })
	for _, place := range places {
		found, _ := filepath.Glob(place) // the patterns are well formed
		slices.Reverse(found)            // the newest first
		dirs = append(dirs, found...)
	}
	var rejected []string
	for _, dir := range dirs {
		if !isProgram(filepath.Join(dir, "initdb")) || !isProgram(filepath.Join(dir, "postgres")) {
			continue
		}
		got, err := majorOf(user, dir)
		if err == nil && (got == major || major == AnyMajor && got >= oldestMajor) {
			return dir, nil
		}
		if err == nil {
			err = fmt.Errorf("version %d", got)
		}
		rejected = append(rejected, fmt.Sprintf("%s (%v)", dir, err))
	}
	wanted := fmt.Sprintf("version %d or newer", oldestMajor)
	if major != AnyMajor {
		wanted = fmt.Sprintf("version %d", major)
	}
	if rejected == nil {
		return "", fmt.Errorf("%w: %s is needed", ErrNotInstalled, wanted)
	}
	return "", fmt.Errorf("%w: %s is needed, found %s", ErrNotInstalled, wanted, strings.Join(rejected, ", "))
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// majorOf runs postgres to get its major version.
func majorOf(user *syscall.Credential, dir string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	// For example: postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)
	_, version, _ := strings.Cut(string(out), ") ")
	return ParseMajor(version)
}

// ParseMajor returns the major version, such as 15 for the versions 15.12, 15beta1 and
// 15.
func ParseMajor(version string) (int, error) {
	rest := strings.TrimLeft(version, "0123456789")
	major, err := strconv.Atoi(strings.TrimSuffix(version, rest))
	if err != nil {
		return 0, fmt.Errorf("unknown version %q", version)
	}
	return major, nil
}

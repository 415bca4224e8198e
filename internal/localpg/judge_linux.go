package localpg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// judge tells what process pid is to the cluster in data.
func judge(pid int, data string) (verdict, error) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if isGone(err) {
		return stranger, nil
	}
	if err != nil {
		return unclear, err
	}
	args := strings.Split(string(cmdline), "\x00")
	// Its children call themselves "postgres: checkpointer" and so on.
	program, _, _ := strings.Cut(args[0], " ")
	if !strings.Contains(filepath.Base(program), "postgres") {
		return stranger, nil
	}
	works, err := os.Stat(filepath.Join(proc, "cwd"))
	switch {
	case isGone(err):
		return stranger, nil
	case errors.Is(err, fs.ErrPermission):
		// Root in a container may not look, but the arguments are for all to see.
		return judgeArguments(args, data), nil
	case err != nil:
		return unclear, err
	}
	lives, err := os.Stat(data)
	if err != nil {
		return unclear, err
	}
	if os.SameFile(works, lives) {
		return orphan, nil
	}
	return stranger, nil
}

func judgeArguments(args []string, data string) verdict {
	if i := slices.Index(args, "-D"); i >= 0 && i+1 < len(args) && args[i+1] == data {
		return orphan
	}
	return unclear
}

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

//go:build !linux

package localpg

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
)

// judge tells what process pid is to the cluster in data.
func judge(pid int, data string) (verdict, error) {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return stranger, nil // no such process
	}
	if err != nil {
		return unclear, err
	}
	command := string(out)
	switch {
	case !strings.Contains(command, "postgres"):
		return stranger, nil
	case strings.Contains(command, " -D "+data+" "):
		return orphan, nil
	}
	return unclear, nil
}

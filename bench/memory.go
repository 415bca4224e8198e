package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// measureMemory loads orgd with many connections and prints its resident memory.
func (b *bench) measureMemory(ctx context.Context) error {
	const connections = 64
	progress("memory with %d connections", connections)
	if _, err := b.load(ctx, listURL(b.orgd, pageSize, "", ""), connections, b.seconds); err != nil {
		return err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.orgd.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		b.printf("\norgd, resident memory: not measured, because there is no /proc\n")
		return nil
	}
	if err != nil {
		return err
	}
	peak, peakErr := mebibytes(status, "VmHWM")
	now, nowErr := mebibytes(status, "VmRSS")
	b.printf("\norgd, resident memory: %.1f MiB at most (VmHWM), %.1f MiB right after %d s with %d connections (VmRSS)\n",
		peak, now, b.seconds, connections)
	return errors.Join(peakErr, nowErr)
}

// mebibytes parses a line such as "VmRSS:	   30012 kB".
func mebibytes(status []byte, field string) (float64, error) {
	match := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB$`).FindSubmatch(status)
	if match == nil {
		return 0, fmt.Errorf("no %s in the process's status", field)
	}
	kibibytes, err := strconv.ParseFloat(string(match[1]), 64)
	return kibibytes / 1024, err
}

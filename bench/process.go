package main

import (
	"errors"
	"fmt"
	"os/exec"
)

// programs are the paths of the load generators.
type programs struct{ wrk, pgbench string }

func findPrograms() (p programs, err error) {
	if p.wrk, err = findProgram("wrk", "apt-get install wrk (Debian), brew install wrk (macOS)"); err != nil {
		return p, err
	}
	p.pgbench, err = findProgram("pgbench", "it comes with PostgreSQL, in the directory that pg_config --bindir prints")
	return p, err
}

func findProgram(name, advice string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s, which generates the load, is not in PATH: %s", name, advice)
	}
	return path, err
}

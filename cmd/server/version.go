package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// The linker sets these; see the Makefile and the Dockerfile.
var version, commit string

// build returns the version and the commit of this program, or "dev" and "unknown".
func build() (v, c string) {
	c = commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	return cmp.Or(version, "dev"), cmp.Or(c, "unknown")
}

type versionCommand struct{}

// Run prints the version on one line.
func (versionCommand) Run(std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	v, c := build()
	_, err := fmt.Fprintln(std.out, "orgd", v, "commit", c, runtime.Version())
	return err
}

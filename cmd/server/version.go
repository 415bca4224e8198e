package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// What this is: stamped in by the linker, as the Makefile and the Dockerfile do.
var version, commit string

// build is the version and the commit of this program, as far as they are known.
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

// Run prints one line.
func (versionCommand) Run(std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	v, c := build()
	_, err := fmt.Fprintln(std.out, "orgd", v, "commit", c, runtime.Version())
	return err
}

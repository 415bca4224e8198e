package main

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// systemdUnit returns the settings of deploy/systemd/orgd.service by name. If a name is
// repeated, the last value counts.
func systemdUnit(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, "../../deploy/systemd/orgd.service")))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found {
			t.Fatalf("%q is not a setting", line)
		}
		settings[name] = value
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return settings
}

// The unit runs an existing command, stops it with the right signal, and does not restart
// a server that rejects its configuration.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := systemdUnit(t)
	args := strings.Fields(unit["ExecStart"])[1:]
	parser := kong.Must(&commandLine{}, kong.Name("server"), kong.Exit(func(int) {}))
	if _, err := parser.Parse(append(args, "--database-url=postgres://u@h/d")); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	for name, want := range map[string]string{
		"Type":                     "exec",
		"KillSignal":               "SIGTERM",
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": strconv.Itoa(exitUsage),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if unit[name] != want {
				t.Errorf("%s=%s, want %s", name, unit[name], want)
			}
		})
	}
	limit, found := strings.CutPrefix(unit["Environment"], "GOMEMLIMIT=")
	if most := strings.TrimSuffix(unit["MemoryMax"], "M"); !found || mebibytes(t, limit) >= mebibytes(t, most+"Mi") {
		t.Errorf("%s is not below MemoryMax=%s", unit["Environment"], unit["MemoryMax"])
	}
	manual := string(readFile(t, "../../docs/operating.md"))
	for _, path := range []string{strings.Fields(unit["ExecStart"])[0], unit["EnvironmentFile"]} {
		if !strings.Contains(manual, path) {
			t.Errorf("docs/operating.md does not mention %s", path)
		}
	}
}

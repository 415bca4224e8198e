package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReportReplacesTheTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "reliability.md")
	if err := os.WriteFile(file, []byte("# Before\n"+tableBegin+"\nold\n"+tableEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	faults := []*fault{{name: "one", what: "What", promise: "Promise"}, {name: "two", what: "Else", promise: "None"}}
	results := []result{
		{fault: "one", acknowledged: 10, recovered: time.Second},
		{fault: "one", acknowledged: 20, lost: 1, recovered: 3 * time.Second, lastFailure: 2 * time.Second, violations: []string{"lost: x"}},
		{fault: "two", err: errNotPossible},
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for range 2 { // a second run finds the same lines
		if err := writeReport(file, faults, results, options{runs: 2, parallel: 4}, now); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Before\n" + tableBegin + "\n", tableEnd + "\nafter\n", "`make faults N=2`, 25 November 2026",
		"| `one` | What | Promise | 2, 1 failed | 30 | 1 | 1.00 s, 3.00 s | 2.00 s |\n",
		"| `two` | Else | None | not tested | | | | |\n", "2 runs, 30 acknowledged changes, 1 lost",
	} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("%q is not in the report exactly once: %s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the old table is still there: %s", text)
	}
	if err := os.WriteFile(file, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeReport(file, faults, results, options{}, now); err == nil {
		t.Error("writeReport accepts a file without the marks")
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// tableBegin and tableEnd enclose the table of results in the report.
const (
	tableBegin = "<!-- Written by `make faults N=…`; the rest of the page is written by hand. -->"
	tableEnd   = "<!-- End of what `make faults` writes. -->"
)

// writeReport replaces the table in the file.
func writeReport(file string, faults []*fault, results []result, o options, now time.Time) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(text, []byte(tableBegin+"\n"))
	_, after, ends := bytes.Cut(rest, []byte(tableEnd+"\n"))
	if !begins || !ends {
		return fmt.Errorf("%s does not have the lines %q and %q", file, tableBegin, tableEnd)
	}
	table := tableBegin + "\n" + reportTable(faults, results, o, now) + tableEnd + "\n"
	return os.WriteFile(file, slices.Concat(before, []byte(table), after), 0o644)
}

func reportTable(faults []*fault, results []result, o options, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n`make faults N=%d`, %s, %d cores, %d faults at the same time.\n\n", o.runs, now.UTC().Format("2 January 2006"), runtime.NumCPU(), o.parallel)
	b.WriteString("| fault | what happens | promise | runs | acknowledged | lost | recovery: p50, max | last failure |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	total := summary{}
	for _, f := range faults {
		s := summarize(f.name, results)
		total.runs, total.acknowledged, total.lost = total.runs+s.runs, total.acknowledged+s.acknowledged, total.lost+s.lost
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.what, f.promise, s)
	}
	fmt.Fprintf(&b, "\nIn all: %d runs, %d acknowledged changes, %d lost.\n", total.runs, total.acknowledged, total.lost)
	return b.String()
}

// summary is the results of all runs of one fault.
type summary struct {
	runs, acknowledged, lost, failed int
	recovered                        []time.Duration
	lastFailure                      time.Duration
	notTested                        bool
}

func summarize(name string, results []result) (s summary) {
	for _, r := range results {
		switch {
		case r.fault != name:
		case errors.Is(r.err, errNotPossible):
			s.notTested = true
		default:
			s.runs++
			s.acknowledged += r.acknowledged
			s.lost += r.lost
			if r.err != nil || len(r.violations) > 0 {
				s.failed++
			}
			s.recovered = append(s.recovered, r.recovered)
			s.lastFailure = max(s.lastFailure, r.lastFailure)
		}
	}
	slices.Sort(s.recovered)
	return s
}

// String returns the cells of the table.
func (s summary) String() string {
	if s.runs == 0 {
		return "not tested | | | |"
	}
	runs := fmt.Sprint(s.runs)
	if s.failed > 0 {
		runs += fmt.Sprintf(", %d failed", s.failed)
	}
	return fmt.Sprintf("%s | %d | %d | %s, %s | %s", runs, s.acknowledged, s.lost,
		seconds(s.recovered[(len(s.recovered)-1)/2]), seconds(s.recovered[len(s.recovered)-1]), seconds(s.lastFailure))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

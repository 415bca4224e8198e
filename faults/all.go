package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// runAll runs each fault o.runs times, several faults at the same time, and prints each
// result.
func runAll(ctx context.Context, o options) (err error) {
	faults, err := find(o.names)
	if err != nil {
		return err
	}
	if o.list {
		return printTable(faults)
	}
	progress("building the server and creating a database")
	t, err := newTemplate(ctx, o.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.remove()) }()
	began := time.Now()
	results := each(ctx, t, faults, o)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	bad := 0
	for _, r := range results {
		if len(r.violations) > 0 || r.err != nil && !errors.Is(r.err, errNotPossible) {
			bad++
		}
	}
	progress("%d runs of %d faults in %v, %d failed", len(results), len(faults), time.Since(began).Round(time.Second), bad)
	if o.report != "" {
		if err := writeReport(o.report, faults, results, o, time.Now()); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d runs failed", bad, len(results))
	}
	return nil
}

// each runs all faults. Those that need the whole machine come last, one at a time.
func each(ctx context.Context, t *template, faults []*fault, o options) (results []result) {
	var mu sync.Mutex
	note := func(r result) {
		if ctx.Err() != nil {
			return // the run was interrupted
		}
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
		progress("%s", r)
	}
	for _, alone := range []bool{false, true} {
		slots := make(chan struct{}, o.parallel)
		if alone {
			slots = make(chan struct{}, 1)
		}
		var running sync.WaitGroup
		for range o.runs {
			for _, f := range faults {
				if f.alone != alone {
					continue
				}
				slots <- struct{}{}
				if ctx.Err() != nil {
					break
				}
				running.Go(func() {
					defer func() { <-slots }()
					note(try(ctx, t, f))
				})
			}
		}
		running.Wait()
	}
	return results
}

func (r result) String() string {
	switch {
	case errors.Is(r.err, errNotPossible):
		return fmt.Sprintf("%-20s NOT TESTED: %v", r.fault, r.err)
	case r.err != nil:
		return fmt.Sprintf("%-20s FAILED: %v", r.fault, r.err)
	}
	text := fmt.Sprintf("%-20s %d changes acknowledged, %d lost, %d attempts failed; recovered after %v, last failure after %v", r.fault,
		r.acknowledged, r.lost, r.failed, r.recovered.Round(time.Millisecond), r.lastFailure.Round(time.Millisecond))
	if r.paused > 0 {
		text += fmt.Sprintf("; the machine stood still for %v of the recovery", r.paused.Round(time.Millisecond))
	}
	if r.remark != "" {
		text += "; " + r.remark
	}
	return text + describe(r.violations)
}

// describe returns a few violations of each kind, because a fault may break one promise for
// hundreds of calls.
func describe(violations []string) string {
	const each = 3
	var b strings.Builder
	seen := map[string]int{}
	for _, violation := range violations {
		kind, _, _ := strings.Cut(violation, ": ")
		if seen[kind]++; seen[kind] <= each {
			b.WriteString("\n    VIOLATED: " + violation)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		if n := seen[kind]; n > each {
			fmt.Fprintf(&b, "\n    … and %d more of: %s", n-each, kind)
		}
	}
	return b.String()
}

func printTable(faults []*fault) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, f := range faults {
		fmt.Fprintf(w, "%s\t%s\n", f.name, f.what)
	}
	return w.Flush()
}

// progress prints a line with the time.
func progress(format string, args ...any) {
	text := cmp.Or(strings.TrimSpace(fmt.Sprintf(format, args...)), "-")
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), text)
}

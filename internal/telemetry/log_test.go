package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/telemetry"
)

// output is a log's destination. A test can set write to make it fail or block.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	write func(p []byte) (int, error) // returns how much of p is written; nil writes all
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	write := o.write
	o.mu.Unlock()
	n, err := len(p), error(nil)
	if write != nil {
		n, err = write(p)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p[:n])
	return n, err
}

func (o *output) become(write func([]byte) (int, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write = write
}

func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Split(strings.TrimSuffix(o.text.String(), "\n"), "\n")
}

func await(t *testing.T, complaint string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
	}
}

func TestLogWritesAllBeforeItCloses(t *testing.T) {
	t.Parallel()
	var out, problems output
	log := telemetry.StartLog(&out, &problems, 0)
	var logging sync.WaitGroup
	for i := range 8 {
		logging.Go(func() {
			for j := range 100 {
				log.Info(fmt.Sprint(i, "-", j))
			}
		})
	}
	logging.Wait()
	log.Close(time.Minute)
	seen := map[string]bool{}
	for _, line := range out.lines() {
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		seen[entry.Msg] = true
	}
	if len(seen) != 800 || log.Lost() != 0 {
		t.Errorf("%d lines, %d lost", len(seen), log.Lost())
	}
}

// Failed writes are counted, and reported once when they start and once when they end.
func TestLogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	var out, problems output
	out.become(func([]byte) (int, error) { return 0, errors.New("no room") })
	log := telemetry.StartLog(&out, &problems, 0)
	for i := range 3 {
		log.Info("lost")
		await(t, "the line is not counted", func() bool { return log.Lost() == int64(i+1) })
	}
	if said := problems.lines(); len(said) != 1 || !strings.Contains(said[0], "no room") {
		t.Errorf("reported %q", said)
	}
	out.become(nil)
	log.Info("kept")
	await(t, "the loss is not reported", func() bool { return len(out.lines()) == 2 })
	log.Close(time.Minute)
	if lines := out.lines(); !strings.Contains(lines[0], `"kept"`) || !strings.Contains(lines[1], `"lines":3`) {
		t.Errorf("logged %q", lines)
	}
}

// A truncated line does not corrupt the next one.
func TestLogStartsNewLineAfterTruncatedOne(t *testing.T) {
	t.Parallel()
	var out, problems output
	out.become(func([]byte) (int, error) { return 5, errors.New("no room") })
	log := telemetry.StartLog(&out, &problems, 0)
	log.Info("torn")
	await(t, "the line is not counted", func() bool { return log.Lost() == 1 })
	out.become(nil)
	log.Info("whole")
	await(t, "the line is not written", func() bool { return len(out.lines()) == 3 })
	log.Close(time.Minute)
	if lines := out.lines(); len(lines[0]) != 5 || !strings.HasPrefix(lines[1], "{") || !strings.Contains(lines[1], "whole") {
		t.Errorf("logged %q", lines)
	}
}

// While a write blocks, callers continue, and memory stays bounded.
func TestLogThatBlocks(t *testing.T) {
	t.Parallel()
	var out, problems output
	opened := make(chan struct{})
	out.become(func(p []byte) (int, error) { <-opened; return len(p), nil })
	log := telemetry.StartLog(&out, &problems, 0)
	long := strings.Repeat("x", 1<<20)
	for range 10 {
		log.Info(long)
	}
	if lost := log.Lost(); lost < 4 || lost > 7 {
		t.Errorf("%d of ten lines of 1 MiB were lost, although the log keeps 4 MiB in memory", lost)
	}
	log.Close(time.Millisecond) // gives up on the blocked write
	close(opened)
}

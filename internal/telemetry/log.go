// Package telemetry has the server's logs, metrics and traces.
package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// NewLogger returns a logger that writes one JSON object per line to w.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// maxPending is the maximum size, in bytes, of the lines that wait while a write blocks:
// about ten thousand lines.
const maxPending = 4 << 20

// gathering is how long a line may wait to be written together with others, because
// waking the writing goroutine for each line costs more than the write. If the process is
// killed, the waiting lines are lost.
const gathering = 5 * time.Millisecond

// Log is a logger that never blocks its callers: one goroutine writes the lines. A line
// is dropped and counted if it cannot be written, or if too many lines are pending.
type Log struct {
	*slog.Logger
	out      io.Writer
	problems io.Writer

	mu      sync.Mutex
	pending []byte // whole lines

	wake     chan struct{}
	ended    chan struct{}
	closing  chan struct{}
	lost     atomic.Int64
	reported int64 // how many of the lost lines were logged. Used only by the writing goroutine.
	failing  bool  // the last write failed. Used only by the writing goroutine.
	torn     bool  // the last write ended inside a line. Used only by the writing goroutine.
}

// StartLog returns a log that writes one JSON object per line to out. When writes start
// to fail, it reports the first failure on problems. The caller must call Close.
func StartLog(out, problems io.Writer, level slog.Level) *Log {
	l := &Log{
		out: out, problems: problems,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), closing: make(chan struct{}),
	}
	l.Logger = NewLogger(appender{l}, level)
	go l.write()
	return l
}

// Lost returns the number of dropped lines.
func (l *Log) Lost() int64 { return l.lost.Load() }

// Close writes the pending lines. It gives up after the limit. Lines that are logged
// later are dropped.
func (l *Log) Close(limit time.Duration) {
	close(l.closing)
	select {
	case <-l.ended:
	case <-time.After(limit):
	}
}

// appender adds lines to the pending ones.
type appender struct{ log *Log }

func (a appender) Write(line []byte) (int, error) {
	l := a.log
	l.mu.Lock()
	if len(l.pending)+len(line) > maxPending {
		l.lost.Add(1)
	} else {
		l.pending = append(l.pending, line...)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // the goroutine has already been woken
	}
	return len(line), nil
}

func (l *Log) write() {
	defer close(l.ended)
	var batch []byte
	for open := true; open; {
		select {
		case <-l.wake:
			open = l.gather()
		case <-l.closing:
			open = false
		}
		l.mu.Lock()
		batch, l.pending = l.pending, batch[:0]
		l.mu.Unlock()
		if len(batch) > 0 {
			l.writeBatch(batch)
		}
	}
}

// gather waits for more lines and reports whether the log is still open.
func (l *Log) gather() (open bool) {
	select {
	case <-time.After(gathering):
		return true
	case <-l.closing:
		return false
	}
}

func (l *Log) writeBatch(batch []byte) {
	n, err := l.writeLines(batch)
	if err == nil {
		l.failing = false
		if lost := l.Lost(); lost > l.reported {
			l.Warn("log lines were lost: writing the log failed or blocked", "lines", lost-l.reported)
			l.reported = lost
		}
		return
	}
	l.lost.Add(int64(bytes.Count(batch[n:], []byte{'\n'})))
	if !l.failing {
		fmt.Fprintln(l.problems, "server: cannot write the log; lines are lost until a write succeeds:", err)
	}
	l.failing = true
}

// writeLines writes a batch. It starts a new line first if the last write failed inside a
// line.
func (l *Log) writeLines(batch []byte) (n int, err error) {
	if l.torn {
		if _, err := l.out.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
	}
	n, err = l.out.Write(batch)
	l.torn = n > 0 && batch[n-1] != '\n'
	return n, err
}

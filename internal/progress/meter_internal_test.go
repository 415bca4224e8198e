package progress

import (
	"bytes"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := NewMeter(&out, "organizations")
	clock := m.begun
	m.now = func() time.Time { return clock }
	step := func(seconds, done int, share float64) {
		clock = clock.Add(time.Duration(seconds) * time.Second)
		m.Set(done, share)
	}
	step(9, 90, 0.09)
	step(1, 100, 0.1)
	step(5, 150, 0.15)
	step(15, 450, 0)
	m.Clear()
	if want := " 10%, 100 organizations, 10 per second, 1m30s left\n450 organizations, 15 per second\n"; out.String() != want {
		t.Errorf("to a file: %q, want %q", out.String(), want)
	}

	out.Reset()
	m.isTerminal = true
	step(10, 600, 0.5)
	step(1, 700, 0)
	m.Clear()
	want := "\r[###############               ]  50%, 600 organizations, 15 per second, 40s left" +
		"\r700 organizations, 17 per second" + "                                                 " +
		"\r                                " + "\r"
	if out.String() != want {
		t.Errorf("to a terminal: %q, want %q", out.String(), want)
	}
}

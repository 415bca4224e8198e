package main

import (
	"errors"
	"testing"
	"time"
)

func TestPausesBetween(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	p := &pauses{began: at(0)}
	for _, ms := range []int{20, 45, 345, 370, 470, 490} { // paused from 45 to 345, and from 370 to 470
		p.next(at(ms))
	}
	for name, c := range map[string]struct{ from, to, want int }{
		"before the first":            {0, 45, 0},
		"all":                         {0, 500, 400},
		"the end of a pause":          {300, 360, 45},
		"the start of a pause":        {360, 400, 30},
		"inside a pause":              {100, 200, 100},
		"a probe that has not ended":  {480, 700, 210},
		"a probe that is still short": {480, 580, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := p.between(at(c.from), at(c.to)), time.Duration(c.want)*time.Millisecond; got != want {
				t.Errorf("between %d and %d ms: got %v, want %v", c.from, c.to, got, want)
			}
		})
	}
}

func TestWatchPausesMeasuresTheProbe(t *testing.T) {
	t.Parallel()
	calls, broken := 0, errors.New("no space left")
	p := watchPauses(t.Context(), func() error {
		if calls++; calls == 2 {
			return broken
		}
		time.Sleep(2 * pauseLength) // stands for a pause of the machine
		return nil
	})
	began := time.Now()
	<-p.ended
	if err := p.stop(); !errors.Is(err, broken) {
		t.Errorf("stop: got %v, want the error of the probe", err)
	}
	if got := p.between(began.Add(-time.Second), time.Now()); got < 2*pauseLength {
		t.Errorf("got %v, want at least the %v of the first probe", got, 2*pauseLength)
	}
}

func TestWriteDurably(t *testing.T) {
	t.Parallel()
	probe, remove, err := writeDurably(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(probe(), probe(), remove()); err != nil {
		t.Error(err)
	}
	if err := probe(); err == nil {
		t.Error("probe after remove: got no error")
	}
}

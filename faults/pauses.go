package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	probePause = 20 * time.Millisecond
	// pauseLength is the shortest pause that counts. A probe takes less while the processors
	// are only busy.
	pauseLength = 100 * time.Millisecond
)

// pauses records when the machine itself stood still: it ran no program, as happens to a
// virtual machine whose host gives it no CPU time, or its disk wrote nothing. No server can
// recover during that time.
type pauses struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of the probe; read it after ended

	mu    sync.Mutex
	began time.Time // of the current probe
	found []pause
}

type pause struct{ from, to time.Time }

// watchPauses sleeps and calls probe in turn, until stop is called or probe fails.
func watchPauses(ctx context.Context, probe func() error) *pauses {
	p := &pauses{ended: make(chan struct{}), began: time.Now()}
	ctx, p.cancel = context.WithCancel(ctx)
	go func() {
		defer close(p.ended)
		for ctx.Err() == nil && p.err == nil {
			sleep(ctx, probePause)
			p.err = probe()
			p.next(time.Now())
		}
	}()
	return p
}

// next ends the current probe and begins another.
func (p *pauses) next(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.began) >= pauseLength {
		p.found = append(p.found, pause{p.began, now})
	}
	p.began = now
}

// between returns how long the machine stood still in the given time.
func (p *pauses) between(from, to time.Time) (total time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.found
	if to.Sub(p.began) >= pauseLength { // the current probe has not ended
		all = append(all[:len(all):len(all)], pause{p.began, to})
	}
	for _, one := range all {
		if one.from.Before(from) {
			one.from = from
		}
		if one.to.After(to) {
			one.to = to
		}
		total += max(0, one.to.Sub(one.from))
	}
	return total
}

// stop stops the probes. It returns the error of the last one.
func (p *pauses) stop() error {
	p.cancel()
	<-p.ended
	return p.err
}

// writeDurably returns a probe that writes to a file in dir, and waits for the disk.
func writeDurably(dir string) (probe func() error, closeFile func() error, err error) {
	file, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return nil, nil, err
	}
	probe = func() error {
		if _, err := file.WriteAt([]byte(time.Now().String()), 0); err != nil {
			return err
		}
		return file.Sync()
	}
	return probe, file.Close, nil
}

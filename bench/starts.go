package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// measureStarts prints the time from the start of the program to the first 200 from
// /readyz, on a migrated database.
func (b *bench) measureStarts(ctx context.Context) error {
	progress("%d starts", b.starts)
	var took []float64
	for range b.starts {
		t, err := b.startOnce(ctx)
		if err != nil {
			return err
		}
		took = append(took, milliseconds(t))
	}
	b.printf("\norgd, from exec to ready, %d starts: median %.1f ms, worst %.1f ms\n", b.starts,
		median(took), quantile(took, 1))
	return nil
}

func (b *bench) startOnce(ctx context.Context) (took time.Duration, err error) {
	begin := time.Now()
	s, err := b.startOrgd(ctx, "start.log", poolSize)
	if err != nil {
		return 0, err
	}
	err = awaitReady(ctx, s)
	took = time.Since(begin)
	return took, errors.Join(err, s.stop())
}

func awaitReady(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready within %v", startLimit))
	defer cancel()
	for {
		ready, err := isReady(ctx, s)
		if err != nil || ready {
			return err
		}
		select {
		case <-s.done:
			return errors.New("the server exited before it was ready")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

func isReady(ctx context.Context, s *server) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
	if err != nil {
		return false, err
	}
	request.Close = true // the connection is not reused
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err // a refused connection too: the server listens before it logs its address
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK, nil
}

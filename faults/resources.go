package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// resources are what a process must release after a fault.
type resources struct{ goroutines, descriptors int }

// resourceSlack allows for connections that the pool opens and closes by itself.
const resourceSlack = 6

func (r *replica) resources(ctx context.Context) (now resources, err error) {
	text, err := getText(ctx, "http://"+r.adminAddr+"/debug/pprof/goroutine?debug=1")
	if err != nil {
		return now, err
	}
	if _, err := fmt.Sscanf(text, "goroutine profile: total %d", &now.goroutines); err != nil {
		return now, fmt.Errorf("the goroutine profile begins with %.60q", text)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	now.descriptors = len(open)
	return now, err
}

// measure returns the resources of each replica while no requests are sent.
func (s *stage) measure(ctx context.Context) ([]resources, error) {
	s.load.gate.close()
	defer s.load.gate.open()
	sleep(ctx, 300*time.Millisecond)
	all := make([]resources, len(s.replicas))
	var err error
	for i, r := range s.replicas {
		if all[i], err = r.resources(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// checkResources waits until the replicas use no more resources than before the fault.
func (s *stage) checkResources(ctx context.Context, had []resources) error {
	var last error
	err := await(ctx, "goroutines and file descriptors are back to their number before the fault", 25*time.Second, func() (bool, error) {
		last = nil
		for i, r := range s.replicas {
			now, err := r.resources(ctx)
			if err != nil {
				return false, err
			}
			if now.goroutines > had[i].goroutines+resourceSlack || now.descriptors > had[i].descriptors+resourceSlack {
				last = fmt.Errorf("replica %d had %+v before the fault and now has %+v", i, had[i], now)
			}
		}
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("leak: %w: %w", err, last)
	}
	return err
}

package webhooks

import (
	"context"
	"time"
)

// A worker stops using its endpoints when 1/margin of its lease is left, before other
// workers may take them over.
const margin = 5

// beat renews the worker's lease in the database while the worker holds endpoints. If it
// cannot renew the lease in time, it ends all deliveries, because other workers may take
// over.
func (w *Worker) beat(ctx context.Context) {
	tick := time.NewTicker(w.cfg.Life / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.Running() == 0 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, w.cfg.Life/4)
		err := w.ensureAlive(limited)
		cancel()
		if err != nil && !w.isAlive() && ctx.Err() == nil {
			w.expire()
		}
	}
}

// ensureAlive renews the worker's lease, unless it was renewed a moment ago.
func (w *Worker) ensureAlive(ctx context.Context) error {
	begun := time.Now()
	w.mu.Lock()
	left := w.aliveUntil.Sub(begun)
	w.mu.Unlock()
	if left > w.cfg.Life*3/5 {
		return nil
	}
	if left <= 0 {
		w.expire() // the process may have been suspended
	}
	if err := w.store.stayAlive(ctx, w.id, w.cfg.Life); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aliveUntil = begun.Add(w.cfg.Life - w.cfg.Life/margin)
	return nil
}

func (w *Worker) isAlive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Before(w.aliveUntil)
}

// expire ends all deliveries, because other workers may have taken over. New deliveries
// get a new lease.
func (w *Worker) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lease.Err() == nil && len(w.running) > 0 {
		w.cfg.Logger.Warn("webhook deliveries were interrupted because this server could not renew its lease in the database in time; this server or another one will resume them")
	}
	w.endLease()
	w.newLease()
}

// newLease makes a lease for new deliveries. The caller holds mu, except Run, which calls
// it before it starts other goroutines.
func (w *Worker) newLease() { w.lease, w.endLease = context.WithCancel(w.working) }

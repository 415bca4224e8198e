package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/events"
)

// keyWatch keeps the key cache up to date with the database, and wakes the readers of the
// feed when another server has changed something.
type keyWatch struct {
	keys      *apikeys.Verifier
	hub       *events.Hub
	logger    *slog.Logger
	listening atomic.Bool
}

// run drops keys from the cache as the database reports changes, until ctx is done.
// Without reports, a cached key is used up to the TTL. The connection holds the lock,
// which shows other replicas that this one is alive. An error means that the first try
// found a URL that can never work.
func (w *keyWatch) run(ctx context.Context, url string, lock int64) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	first, failing := true, false // failing: log a loss once
	err := db.Listener{
		URL: url,
		Heard: map[string]func(string){
			apikeys.ChangesChannel: w.keys.Forget,
			events.Channel:         w.hub.Heard,
		},
		Lock: lock,
		Began: func() {
			w.keys.ForgetAll()
			w.hub.WakeAll()
			w.listening.Store(true)
			first, failing = false, false
			w.logger.Info("listening for key changes")
		},
		Lost: func(err error) {
			w.listening.Store(false)
			if first && errors.Is(err, db.ErrMisconfigured) {
				giveUp(err)
				return
			}
			first = false
			if !failing {
				w.logger.Warn("not listening for key changes; a cached key is used until its TTL ends", "error", err)
			}
			failing = true
		},
	}.Run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, db.ErrMisconfigured) {
		return fmt.Errorf("listen for key changes: %w", cause)
	}
	return err
}

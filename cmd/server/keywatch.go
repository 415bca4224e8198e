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

// run removes keys from the cache when the database reports that they changed, until ctx
// is done. While the connection is down, reports are lost, and a cached key is used until
// its TTL ends. The connection also holds the advisory lock, which shows other replicas
// that this one is alive. run returns an error only if the first attempt shows that the
// URL can never work.
func (w *keyWatch) run(ctx context.Context, url string, lock int64) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	first, failing := true, false // failing: the loss was already logged
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
				w.logger.Warn("not listening for key changes; a cached key is used until its TTL expires", "error", err)
			}
			failing = true
		},
	}.Run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, db.ErrMisconfigured) {
		return fmt.Errorf("listen for key changes: %w", cause)
	}
	return err
}

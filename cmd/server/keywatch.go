package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"orgd/internal/apikeys"
	"orgd/internal/db"
)

// keyWatch keeps what a server knows of keys near to what the database knows.
type keyWatch struct {
	keys      *apikeys.Verifier
	logger    *slog.Logger
	listening atomic.Bool
}

// run forgets keys as the database reports changes, until ctx is done. Without its
// reports, what is known of a key is used up to the TTL. The connection holds the lock,
// which tells other replicas that this one lives. An error means that the URL can never
// work, which the first try has found.
func (w *keyWatch) run(ctx context.Context, url string, lock int64) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	first, failing := true, false // failing: so that one loss is one line
	err := db.Listener{
		URL:     url,
		Channel: apikeys.ChangesChannel,
		Lock:    lock,
		Began: func() {
			w.keys.ForgetAll()
			w.listening.Store(true)
			first, failing = false, false
			w.logger.Info("listening to changes of keys")
		},
		Heard: w.keys.Forget,
		Lost: func(err error) {
			w.listening.Store(false)
			if first && errors.Is(err, db.ErrMisconfigured) {
				giveUp(err)
				return
			}
			first = false
			if !failing {
				w.logger.Warn("changes of keys are not heard; keys are looked up again after their time in the cache", "error", err)
			}
			failing = true
		},
	}.Run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, db.ErrMisconfigured) {
		return fmt.Errorf("listen to changes of keys: %w", cause)
	}
	return err
}

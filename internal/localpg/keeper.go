package localpg

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Keeper has a server, and starts it again when it ends by itself.
type Keeper struct {
	options Options

	mu     sync.Mutex
	server *Server // the last one, stopped if it could not be started again
}

// StartKept is Start for a server that Run will keep up.
func StartKept(ctx context.Context, o Options) (*Keeper, error) {
	server, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Keeper{options: o, server: server}, nil
}

// URL is Server.URL. It stays the same for as long as Run goes on.
func (k *Keeper) URL(database string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.server.URL(database)
}

// Run starts the server again whenever it ends by itself, until ctx is done or
// that fails, and tells report of it. A server that could not have its old port
// back is a failure: nobody would find it.
func (k *Keeper) Run(ctx context.Context, report func(event string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.server.Done(): // nobody but Run changes server
		}
		if err := k.restart(ctx, report); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (k *Keeper) restart(ctx context.Context, report func(event string)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil {
		return nil // it was stopped, most likely
	}
	address, reason := k.server.URL("postgres"), k.server.Stop()
	report(fmt.Sprintf("it ended, and is started again: %v", reason))
	server, err := Start(ctx, k.options)
	if err != nil {
		return err
	}
	k.server = server
	if server.URL("postgres") != address {
		return errors.New("localpg: the port was taken while the server was down")
	}
	report("it is back")
	return nil
}

// Stop is Server.Stop. End Run first.
func (k *Keeper) Stop() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.server.Stop()
}

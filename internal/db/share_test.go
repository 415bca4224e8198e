package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// An account that uses all its connections, and waits for more, blocks neither other
// accounts nor the server's own statements.
func TestShareOfAGreedyAccount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool, err := db.Open(ctx, dbtest.NewURL(t), db.Options{MaxConns: 5, AcquireTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	greedy := pool.For(uuid.NewV7())
	held, release := holdConnections(t, greedy, 20)
	for range 4 {
		<-held
	}

	for name, use := range map[string]func(context.Context, func(context.Context, db.Querier) error) error{
		"read":        pool.For(uuid.NewV7()).Read,
		"write":       pool.For(uuid.NewV7()).Write,
		"transaction": pool.For(uuid.NewV7()).WriteTx,
		"the server":  pool.Read,
	} {
		t.Run(name, func(t *testing.T) {
			if err := use(ctx, selectOne); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	if err := greedy.Read(ctx, selectOne); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the greedy account got another connection: %v", err)
	}
	if n := pool.Stat().AcquiredConns(); n != 4 {
		t.Errorf("the greedy account holds %d connections", n)
	}
	release()
	if err := greedy.Read(ctx, selectOne); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if waits := pool.Waits(); waits.Waiting != 0 || waits.GivenUp == 0 {
		t.Errorf("%+v", waits)
	}
}

// holdConnections starts the given number of callers. Each takes a connection, sends to held, and
// keeps the connection until release is called. Callers without one retry until then.
func holdConnections(t *testing.T, share db.Share, callers int) (held <-chan struct{}, release func()) {
	t.Helper()
	taken, enough := make(chan struct{}, callers), make(chan struct{})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			err := db.ErrUnavailable
			for errors.Is(err, db.ErrUnavailable) {
				select {
				case <-enough:
					return
				default:
				}
				err = share.Read(context.Background(), func(context.Context, db.Querier) error {
					taken <- struct{}{}
					<-enough
					return nil
				})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	var once sync.Once
	release = func() {
		once.Do(func() { close(enough) })
		all.Wait()
	}
	t.Cleanup(release)
	return taken, release
}

func selectOne(ctx context.Context, q db.Querier) error {
	_, err := q.Exec(ctx, "SELECT 1")
	return err
}

// A time limit ends a statement, and does not outlive its transaction.
func TestReadWithin(t *testing.T) {
	t.Parallel()
	pool := poolOfOne(t)
	ctx := t.Context()
	share := pool.For([16]byte{1})
	sleep := func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, "SELECT pg_sleep(3600)")
		return err
	}
	if err := share.ReadWithin(ctx, 10*time.Millisecond, sleep); !errors.Is(err, db.ErrTimeLimit) {
		t.Errorf("%v, want ErrTimeLimit", err)
	}
	var limit string
	err := share.Read(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, "SHOW statement_timeout").Scan(&limit)
	})
	if err != nil || limit != "0" || pool.Stat().NewConnsCount() != 1 {
		t.Errorf("%v; afterwards the limit is %s, and %d connections were opened", err, limit, pool.Stat().NewConnsCount())
	}
	if err := share.ReadWithin(ctx, time.Minute, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, "SELECT 'within'").Scan(&limit)
	}); err != nil || limit != "within" {
		t.Errorf("%v, %q", err, limit)
	}
}

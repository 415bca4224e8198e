// Package seed fills an account with sample organizations: as many as one likes,
// like real ones, and the same ones each time.
package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"orgd/internal/uuid"
)

const (
	// blockOrgs is how many organizations one transaction adds: enough that its
	// commit costs nothing, few enough that little is lost when it fails.
	blockOrgs = 10_000
	// defaultWorkers each keep one core of the database busy.
	defaultWorkers = 2
)

// ErrUnknownAccount is returned (wrapped, with the account's id) when the account
// to be filled does not exist.
var ErrUnknownAccount = errors.New("no such account")

// Options say what to make. Everything about an organization follows from Account,
// Orgs, Seed and its index, but for its members, which follow from Members as well.
type Options struct {
	// Account is the account that gets the organizations. It must exist.
	Account uuid.UUID
	// From is the index of the first organization to make. To add to an earlier
	// run, give the Orgs of that run: with other Orgs, all are other organizations.
	From int
	// Orgs is the number of organizations that there are to be in all: those from
	// From to Orgs-1 are made.
	Orgs int
	// Members is the most members that an organization gets, from 0 (none) to
	// MaxMembers.
	Members int
	// Seed tells apart what the same numbers would make the same.
	Seed uint64
	// APIKey is the API key that the organizations are said to be created by. The
	// zero value leaves it out.
	APIKey uuid.UUID
	// Workers is how many transactions run at once; 0 for the usual two. With one,
	// the blocks come in order: a run that was cut has left the first so many
	// organizations, and From can go on behind them.
	Workers int
	// Progress, unless nil, is called after each block with the number of
	// organizations that this run has done, one call at a time.
	Progress func(done int)
}

// Run makes the organizations that the options describe, with their members.
//
// They come in blocks, and each block is added wholly or not at all, so that a run
// which ended early (ctx done, connection lost) can be repeated: what is there
// already, even if it was changed since, is left as it is and is not an error.
//
// It returns an error that wraps ErrUnknownAccount if the account does not exist,
// the context's error if ctx ended it, and others for options out of range and
// failures of the database.
func Run(ctx context.Context, pool *pgxpool.Pool, o Options) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	s := &seeder{pool: pool, options: o, gen: newGenerator(o), next: int64(o.From)}
	if err := s.findAccount(ctx); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	g, working := errgroup.WithContext(ctx)
	for range cmp.Or(s.options.Workers, defaultWorkers) {
		g.Go(func() error { return s.work(working) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// The planner must know of so much at once, not when autovacuum comes round.
	if _, err := pool.Exec(ctx, "ANALYZE orgs, org_members"); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

func (o Options) check() error {
	switch maxOrgs := windowEnd - windowStart; {
	case o.Orgs < 0 || int64(o.Orgs) > maxOrgs:
		return fmt.Errorf("%d organizations: must be from 0 to %d", o.Orgs, maxOrgs)
	case o.From < 0 || o.From > o.Orgs:
		return fmt.Errorf("from organization %d: must be from 0 to their number, %d", o.From, o.Orgs)
	case o.Workers < 0:
		return fmt.Errorf("%d workers: must be 1 or more, or 0 for the usual", o.Workers)
	case o.Members < 0 || o.Members > MaxMembers:
		return fmt.Errorf("%d members: must be from 0 to %d", o.Members, MaxMembers)
	}
	return nil
}

// seeder is one run. Its workers share it.
type seeder struct {
	pool    *pgxpool.Pool
	options Options
	gen     generator

	mu   sync.Mutex // guards what follows, and calls of Progress
	next int64      // the first organization that no worker has taken
	done int64
}

func (s *seeder) findAccount(ctx context.Context) error {
	var found bool
	err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM accounts WHERE id = $1)", s.options.Account).Scan(&found)
	if err != nil {
		return fmt.Errorf("find the account: %w", err)
	}
	if !found {
		return fmt.Errorf("account %s: %w", s.options.Account, ErrUnknownAccount)
	}
	return nil
}

// work adds blocks until there are no more.
func (s *seeder) work(ctx context.Context) error {
	for b := s.take(); b.from < b.to; b = s.take() {
		if err := s.add(ctx, b); err != nil {
			return err
		}
		s.report(b)
	}
	return nil
}

// take returns the next block, which is empty at the end.
func (s *seeder) take() block {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := block{from: s.next, to: min(s.next+blockOrgs, s.gen.orgs)}
	s.next = b.to
	return b
}

func (s *seeder) report(b block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done += b.to - b.from
	if s.options.Progress != nil {
		s.options.Progress(int(s.done))
	}
}

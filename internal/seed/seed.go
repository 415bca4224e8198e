// Package seed fills an account with any number of realistic sample organizations. The same
// options always give the same organizations.
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
	// blockOrgs is the number of organizations that one transaction adds. It is large
	// enough that the commit costs little, and small enough that a failure loses little.
	blockOrgs = 10_000
	// defaultWorkers is small, because each worker keeps one core of the database busy.
	defaultWorkers = 2
)

// ErrUnknownAccount means that the account does not exist. It is returned wrapped, with the
// account's id.
var ErrUnknownAccount = errors.New("no such account")

// Options say which organizations to make. An organization depends only on Account, Orgs,
// Seed and its index. Its members depend on Members too.
type Options struct {
	// Account is the account that gets the organizations. It must exist.
	Account uuid.UUID
	// From is the index of the first organization to make. To continue an earlier run,
	// give the same Orgs: a different number makes different organizations.
	From int
	// Orgs is the total number of organizations. Run creates those from From to Orgs-1.
	Orgs int
	// Members is the maximum number of members of an organization, from 0 (none) to
	// MaxMembers.
	Members int
	// Seed lets otherwise equal options make different organizations.
	Seed uint64
	// APIKey is stored as the API key that created the organizations. Zero means none.
	APIKey uuid.UUID
	// Workers is the number of concurrent transactions. 0 means the default, 2. One worker
	// adds the blocks in order, so a later run can continue an interrupted one with From.
	Workers int
	// Progress, if not nil, is called after each block with the number of organizations
	// that this run has processed. Calls are not concurrent.
	Progress func(done int)
}

// Run creates the organizations that the options describe, with their members.
//
// It adds them in blocks. Each block is added completely or not at all. A run that ended
// early, for example because the connection was lost, can be repeated: organizations that
// exist, even if they have been changed since, stay as they are and cause no error.
//
// Errors: ErrUnknownAccount, the context's error if ctx ended the run, and others for
// options out of range and for database errors.
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
	// Without ANALYZE, the planner would know nothing about these rows until autovacuum
	// runs.
	if _, err := pool.Exec(ctx, "ANALYZE orgs, org_members"); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

func (o Options) check() error {
	switch maxOrgs := windowEnd - windowStart; {
	case o.Orgs < 0 || int64(o.Orgs) > maxOrgs:
		return fmt.Errorf("the number of organizations is %d; it must be from 0 to %d", o.Orgs, maxOrgs)
	case o.From < 0 || o.From > o.Orgs:
		return fmt.Errorf("the first organization is %d; it must be from 0 to the number of organizations, %d", o.From, o.Orgs)
	case o.Workers < 0:
		return fmt.Errorf("the number of workers is %d; it must be 1 or more, or 0 for the default", o.Workers)
	case o.Members < 0 || o.Members > MaxMembers:
		return fmt.Errorf("the maximum number of members is %d; it must be from 0 to %d", o.Members, MaxMembers)
	}
	return nil
}

// seeder is one run, shared by its workers.
type seeder struct {
	pool    *pgxpool.Pool
	options Options
	gen     generator

	mu   sync.Mutex // guards the following fields and the calls of Progress
	next int64      // the first organization that no worker has taken yet
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

// work adds blocks until none are left.
func (s *seeder) work(ctx context.Context) error {
	for b := s.take(); b.from < b.to; b = s.take() {
		if err := s.add(ctx, b); err != nil {
			return err
		}
		s.report(b)
	}
	return nil
}

// take returns the next block, or an empty one at the end.
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

// Count counts the account's organizations.
func Count(ctx context.Context, pool *pgxpool.Pool, account uuid.UUID) (int, error) {
	var n int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE account_id = $1", account).Scan(&n); err != nil {
		return 0, fmt.Errorf("seed: count the organizations: %w", err)
	}
	return n, nil
}

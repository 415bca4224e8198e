package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

const (
	keepDays = 30
	keep     = keepDays * 24 * time.Hour
)

// writeAged writes n events of the account that occurred the given number of days ago.
func (b bundle) writeAged(t testing.TB, account uuid.UUID, days, n int) {
	t.Helper()
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, request_id, occurred_at)
SELECT $1, 'org.updated', $2, 'r', now() - make_interval(days => $3) FROM generate_series(1, $4::int)`, account, orgOf(1), days, n)
}

func (b bundle) of(account uuid.UUID) bundle {
	b.account = account
	return b
}

// removed records the calls of OnRemoved.
type removed struct {
	mu    sync.Mutex
	calls []string
	count map[uuid.UUID]int64
}

func (r *removed) add(_ context.Context, account uuid.UUID, after, upTo int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[uuid.UUID]int64{}
	}
	r.calls = append(r.calls, fmt.Sprintf("%d-%d", after, upTo))
	r.count[account] += upTo - after
}

func retain(t testing.TB, r *events.Retention) int64 {
	t.Helper()
	deleted, err := r.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return deleted
}

// Only old events are deleted, in pieces, and the feed continues without a gap.
func TestRetention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, keepDays+1, 2500)
	b.writeAged(t, b.account, keepDays-1, 10)
	fresh, read, empty := b.of(b.Account(t)), b.of(b.Account(t)), b.of(b.Account(t))
	fresh.writeAged(t, fresh.account, 1, 5)
	beginning := read.read(t, events.Params{Limit: 2})
	read.writeAged(t, read.account, keepDays+1, 3)
	middle := read.read(t, events.Params{Limit: 2})
	end := read.read(t, events.Params{Limit: 2, Cursor: middle.Cursor})

	r := events.NewRetention(b.Conns, keep)
	var log removed
	r.OnRemoved(log.add)
	if deleted := retain(t, r); deleted != 2503 || r.Removed() != 2503 {
		t.Errorf("deleted %d, %d", deleted, r.Removed())
	}
	if got := strings.Join(log.calls, " "); !strings.Contains(got, "0-1000 1000-2000 2000-2500") || !strings.Contains(got, "0-3") || len(log.calls) != 4 {
		t.Errorf("pieces %s", got)
	}
	if log.count[b.account] != 2500 || log.count[read.account] != 3 {
		t.Errorf("counts %v", log.count)
	}
	if age := r.OldestAge(); age < keep-25*time.Hour || age > keep {
		t.Errorf("the oldest event is %s old", age)
	}
	if seen, _ := b.walk(t, events.Params{Limit: 100}); positions(seen) != "2501 2502 2503 2504 2505 2506 2507 2508 2509 2510 " {
		t.Errorf("positions %s", positions(seen))
	}
	if seen, _ := fresh.walk(t, events.Params{Limit: 100}); len(seen) != 5 {
		t.Errorf("%d fresh events are left", len(seen))
	}
	if page := empty.read(t, events.Params{Limit: 1}); len(page.Events) > 0 {
		t.Errorf("%+v", page)
	}

	// A cursor after the last deleted event is still valid. Cursors before that event are
	// not.
	read.writeAged(t, read.account, 0, 1)
	if page := read.read(t, events.Params{Limit: 2, Cursor: end.Cursor}); positions(page.Events) != "4 " {
		t.Errorf("positions %s", positions(page.Events))
	}
	for _, cursor := range []string{beginning.Cursor, middle.Cursor} {
		if _, err := read.repository.Read(context.Background(), read.account, events.Params{Limit: 2, Cursor: cursor}); !errors.Is(err, events.ErrCursorExpired) {
			t.Errorf("%v", err)
		}
	}
	if deleted := retain(t, r); deleted != 0 {
		t.Errorf("deleted %d more", deleted)
	}
}

// Rows that were deleted by hand do not stop the retention.
func TestRetentionAfterAGap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, keepDays+1, 2000)
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, "DELETE FROM events WHERE position <= 1500 OR position BETWEEN 1600 AND 1700")
	if deleted := retain(t, events.NewRetention(b.Conns, keep)); deleted != 399 {
		t.Errorf("deleted %d", deleted)
	}
}

// An old event that comes after a younger one is not deleted: a reader would not notice
// that it is missing.
func TestRetentionDeletesNoEventFromTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, keepDays+2, 1)
	b.writeAged(t, b.account, keepDays-2, 1)
	b.writeAged(t, b.account, keepDays+1, 1)
	if deleted := retain(t, events.NewRetention(b.Conns, keep)); deleted != 1 {
		t.Errorf("deleted %d", deleted)
	}
	if seen, _ := b.walk(t, events.Params{Limit: 10}); positions(seen) != "2 3 " {
		t.Errorf("positions %s", positions(seen))
	}
}

// An account with many old events does not delay the others by more than one turn, and
// everything is deleted in the end.
func TestRetentionTakesTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const turn = 3000
	b.writeAged(t, b.account, keepDays+1, turn+1500)
	other := b.Account(t)
	b.writeAged(t, other, keepDays+1, 1)
	r := events.NewRetention(b.Conns, keep).WithTurns(turn / 1000)
	var before, all int64 // events of the first account, deleted before the other's
	r.OnRemoved(func(_ context.Context, account uuid.UUID, after, upTo int64) {
		if account == other {
			before = all
			return
		}
		all += upTo - after
	})
	if deleted := retain(t, r); deleted != turn+1501 {
		t.Errorf("deleted %d", deleted)
	}
	if before != turn {
		t.Errorf("%d events of the first account were deleted before the other's", before)
	}
	if r.OldestAge() != 0 {
		t.Errorf("no event is left, and the oldest is %s old", r.OldestAge())
	}
}

// An account whose rows are locked delays the others by one lock timeout. If several
// accounts in a row are unavailable, the whole database is, so the run ends.
func TestRetentionContinuesAfterAnUnavailableAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	accounts := []uuid.UUID{b.account}
	for range 3 {
		accounts = append(accounts, b.Account(t))
	}
	slices.SortFunc(accounts, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) // the order of the run
	for _, account := range accounts {
		b.writeAged(t, account, keepDays+1, 1)
		if _, err := b.repository.NumberAll(context.Background(), account); err != nil {
			t.Fatal(err)
		}
	}
	conns, err := db.Open(context.Background(), b.URL, db.Options{LockTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	r := events.NewRetention(conns, keep)
	for _, c := range []struct {
		locked  int // accounts
		deleted int64
	}{{3, 0}, {1, 3}, {0, 1}} {
		unlock := b.lockFeeds(t, accounts[:c.locked])
		deleted, err := r.Run(context.Background())
		if deleted != c.deleted || errors.Is(err, events.ErrUnavailable) != (c.locked > 0) {
			t.Errorf("with %d locked accounts: deleted %d, %v", c.locked, deleted, err)
		}
		unlock()
	}
}

func (b bundle) lockFeeds(t *testing.T, accounts []uuid.UUID) (unlock func()) {
	t.Helper()
	tx := b.begin(t, "SELECT FROM feeds WHERE account_id = ANY ($1) FOR UPDATE", accounts)
	return func() { _ = tx.Rollback(context.Background()) }
}

// Retention that was interrupted leaves a feed without a gap, and the next run continues.
func TestRetentionCanBeInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, keepDays+1, 3500)
	b.writeAged(t, b.account, 0, 1)
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := events.NewRetention(b.Conns, keep)
	r.OnRemoved(func(context.Context, uuid.UUID, int64, int64) { stop() })
	if deleted, err := r.Run(ctx); !errors.Is(err, context.Canceled) || deleted != 1000 {
		t.Errorf("deleted %d, %v", deleted, err)
	}
	var first, removedUpTo int64
	err := b.Pool.QueryRow(context.Background(), `
SELECT (SELECT min(position) FROM events WHERE account_id = $1), removed_position FROM feeds WHERE account_id = $1`, b.account).Scan(&first, &removedUpTo)
	if err != nil || first != removedUpTo+1 {
		t.Errorf("the first event is at %d, but those up to %d were deleted: %v", first, removedUpTo, err)
	}
	if deleted := retain(t, events.NewRetention(b.Conns, keep)); deleted != 2500 {
		t.Errorf("deleted %d", deleted)
	}
	if seen, _ := b.walk(t, events.Params{Limit: 10}); positions(seen) != "3501 " {
		t.Errorf("positions %s", positions(seen))
	}
}

// Replicas that delete at the same time, and readers and writers of the feed, do not
// interfere with each other. A reader gets every event that is kept, or an error because
// it is too late.
func TestRetentionIsConcurrent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, keepDays+1, 20_000)
	b.writeAged(t, b.account, 1, 50)
	var workers sync.WaitGroup
	var log removed
	for range 3 {
		workers.Go(func() {
			r := events.NewRetention(b.Conns, keep)
			r.OnRemoved(log.add)
			if _, err := r.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Go(func() {
		for range 20 {
			b.writeAged(t, b.account, 0, 5)
		}
	})
	workers.Go(func() {
		expired := 0
		for last, cursor := int64(0), ""; ; {
			page, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 100, Cursor: cursor})
			if errors.Is(err, events.ErrCursorExpired) {
				last, cursor = 0, ""
				expired++
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			for _, e := range page.Events {
				if last > 0 && e.Position != last+1 {
					t.Errorf("position %d after %d", e.Position, last)
				}
				last = e.Position
			}
			if cursor = page.Cursor; last >= 20_050 {
				t.Logf("the reader was late %d times", expired)
				return
			}
		}
	})
	workers.Wait()
	retain(t, events.NewRetention(b.Conns, keep)) // perhaps none of the three has finished
	if seen, _ := b.walk(t, events.Params{Limit: 100}); len(seen) != 150 || seen[0].Position != 20_001 {
		t.Errorf("%d events are left, from %d", len(seen), seen[0].Position)
	}
}

// Accounts with old events are found without reading all events, whatever the planner
// knows about the table.
func TestRetentionPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeAged(t, b.account, 1, 50_000)
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	unread := b.Account(t)
	for range 20 {
		b.Account(t)
	}
	check := func(state string) {
		for _, mode := range planModes {
			conn := connWithPlans(t, b.DB, mode)
			if plan := explain(t, conn, events.OldestOfAccounts, uuid.UUID{}, "30 days", 1000); plan.buffers > 400 {
				t.Errorf("%s, %s: the accounts with old events: %d buffers\n%s", state, mode, plan.buffers, plan.text)
			}
			if plan := explain(t, conn, events.EventsFrom, b.account, 40_000, 40_101, "30 days"); plan.buffers > 120 {
				t.Errorf("%s, %s: the oldest events: %d buffers\n%s", state, mode, plan.buffers, plan.text)
			}
		}
	}
	check("no statistics")
	b.Vacuum(t, "ANALYZE events")
	b.writeAged(t, unread, 1, 20_000)
	check("old statistics")
	b.Vacuum(t, "ANALYZE")
	check("new statistics")
}

// Erasures overwrite events while they are numbered and deleted.
func TestRetentionDuringErasures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const users, count = 5, 8000
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, user_id, request_id, occurred_at)
SELECT $1, 'org.member_added', $2, 'u' || n % $3, 'r', now() - make_interval(days => $4) FROM generate_series(1, $5::int) AS n`,
		b.account, orgOf(1), users, keepDays+1, count)
	var workers sync.WaitGroup
	workers.Go(func() { b.erase(t, users) })
	deleted := int64(0)
	workers.Go(func() { deleted = retain(tb{t}, events.NewRetention(b.Conns, keep)) })
	workers.Wait()
	if deleted != count {
		t.Errorf("deleted %d", deleted)
	}
}

// erase erases users and then an organization, as one server at a time does.
func (b bundle) erase(t *testing.T, users int) {
	t.Helper()
	ctx := context.Background()
	for user := range users {
		name := fmt.Sprintf("u%d", user)
		b.Exec(tb{t}, "INSERT INTO user_erasures (account_id, user_id, request_id) VALUES ($1, $2, 'r')", b.account, name)
		for done := false; !done; {
			if err := b.Pool.QueryRow(ctx, "SELECT done FROM user_erase_1($1, $2, 50)", b.account, name).Scan(&done); err != nil {
				t.Error(err)
				return
			}
		}
	}
	b.Exec(tb{t}, "INSERT INTO org_erasures (account_id, org_id) VALUES ($1, $2)", b.account, orgOf(1))
	for done, after := false, int64(0); !done; {
		err := b.Pool.QueryRow(ctx, "SELECT next_event, done FROM org_erase_1($1, $2, '', $3, 300)", b.account, orgOf(1), after).Scan(&after, &done)
		if err != nil {
			t.Error(err)
			return
		}
	}
}

package events_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// change is an event that a writer has written. It is the n-th event of its organization.
type change struct {
	org uuid.UUID
	n   int
}

// writer changes organizations until ctx is done. As in orgd itself, each change locks its
// organization first. Some transactions sleep, and some are rolled back.
func (b bundle) writer(ctx context.Context, t *testing.T, orgs []uuid.UUID, seed uint64, committed func(change)) {
	random := rand.New(rand.NewPCG(seed, seed))
	conn, err := pgx.Connect(context.Background(), b.URL)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		made, err := b.writeOne(conn, orgs[random.IntN(len(orgs))], random)
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range made {
			committed(c)
		}
	}
}

var errRolledBack = errors.New("rolled back on purpose")

func (b bundle) writeOne(conn *pgx.Conn, org uuid.UUID, random *rand.Rand) (made []change, err error) {
	ctx := context.Background()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var version int
		if err := tx.QueryRow(ctx, "SELECT version FROM orgs WHERE account_id = $1 AND org_id = $2 FOR NO KEY UPDATE", b.account, org).Scan(&version); err != nil {
			return err
		}
		for range 1 + random.IntN(3) {
			version++
			made = append(made, change{org, version})
			if _, err := tx.Exec(ctx, "INSERT INTO events (account_id, type, org_id, after, request_id) VALUES ($1, 'org.updated', $2, $3, 'r')",
				b.account, org, fmt.Sprintf(`{"n": %d}`, version)); err != nil {
				return err
			}
			if random.IntN(10) == 0 {
				time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE orgs SET version = $3 WHERE account_id = $1 AND org_id = $2", b.account, org, version); err != nil {
			return err
		}
		if random.IntN(5) == 0 {
			return errRolledBack
		}
		return nil
	})
	if errors.Is(err, errRolledBack) {
		return nil, nil
	}
	return made, err
}

// reader reads the feed with random limits until it has read everything after done is
// closed. Sometimes it forgets what came after its last saved cursor, as after a crash.
func (b bundle) reader(t *testing.T, seed uint64, done <-chan struct{}) (seen []events.Event) {
	random := rand.New(rand.NewPCG(seed, 0))
	saved, at := "", ""
	kept := 0
	for {
		last := false
		select {
		case <-done:
			last = true
		default:
		}
		page, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 1 + random.IntN(cursor.MaxLimit), Cursor: at})
		if err != nil {
			t.Error(err)
			return seen
		}
		seen, at = append(seen, page.Events...), page.Cursor
		switch random.IntN(10) {
		case 0, 1, 2:
			saved, kept = at, len(seen)
		case 3:
			seen, at = seen[:kept], saved
			continue
		}
		if last && !page.HasMore {
			return seen
		}
	}
}

// Eight writers, some of whose transactions sleep or are rolled back, and three readers
// that crash and begin again at random: each reader gets exactly the committed changes,
// each of them once, and the changes of one organization in order. No event appears
// before a cursor that a reader has passed.
func TestReadersGetEveryChangeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var orgs []uuid.UUID
	for range 12 {
		org := uuid.NewV7()
		b.Exec(t, "INSERT INTO orgs (account_id, org_id, org_name, org_name_folded) VALUES ($1, $2, 'A', 'a')", b.account, org)
		b.Exec(t, "UPDATE orgs SET version = 0 WHERE org_id = $1", org)
		orgs = append(orgs, org)
	}
	var mu sync.Mutex
	committed := map[change]bool{}
	writing, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	var writers, readers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			b.writer(writing, t, orgs, uint64(i), func(c change) {
				mu.Lock()
				defer mu.Unlock()
				committed[c] = true
			})
		})
	}
	done := make(chan struct{})
	results := make([][]events.Event, 3)
	for i := range results {
		readers.Go(func() { results[i] = b.reader(t, uint64(i), done) })
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if len(committed) < 100 {
		t.Fatalf("only %d changes", len(committed))
	}
	t.Logf("%d changes", len(committed))
	for i, seen := range results {
		b.checkHistory(t, fmt.Sprintf("reader %d", i), seen, committed)
	}
}

func (b bundle) checkHistory(t *testing.T, reader string, seen []events.Event, committed map[change]bool) {
	t.Helper()
	latest := map[uuid.UUID]int{}
	for i, e := range seen {
		var n int
		if _, err := fmt.Sscanf(e.After, `{"n": %d}`, &n); err != nil {
			t.Fatal(err)
		}
		if e.Position != int64(i)+1 {
			t.Fatalf("%s: position %d after %d", reader, e.Position, i)
		}
		if !committed[change{e.OrgID, n}] {
			t.Errorf("%s: change %d of %s was not committed", reader, n, e.OrgID)
		}
		if n != latest[e.OrgID]+1 {
			t.Errorf("%s: change %d of %s after %d", reader, n, e.OrgID, latest[e.OrgID])
		}
		latest[e.OrgID] = n
	}
	if len(seen) != len(committed) {
		t.Errorf("%s has %d changes of %d", reader, len(seen), len(committed))
	}
}

// A transaction that has written an event and not committed yet delays only that event.
func TestOpenTransactionsDelayOnlyTheirOwnEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const insert = "INSERT INTO events (account_id, type, request_id) VALUES ($1, $2, 'r')"
	tx := b.begin(t, insert, b.account, "org.slow")
	b.Exec(t, insert, b.account, "org.fast")
	first := b.read(t, events.Params{Limit: 10})
	if got := kinds(first.Events); got != "org.fast" || first.HasMore {
		t.Errorf("during the transaction: %s", got)
	}
	commit(t, tx)
	second := b.read(t, events.Params{Limit: 10, Cursor: first.Cursor})
	if got := kinds(second.Events); got != "org.slow" || second.Events[0].Position != 2 {
		t.Errorf("after the commit: %s", got)
	}
}

// A transaction in another database of the cluster delays nothing.
func TestOtherDatabasesDelayNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	other := dbtest.NewEmpty(t)
	tx, err := other.Pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "CREATE TABLE x ()"); err != nil { // gives the transaction an id and a snapshot
		t.Fatal(err)
	}
	b.write(t, 1, "org.created", 3)
	if seen, _ := b.walk(t, events.Params{Limit: 10}); positions(seen) != "1 2 3 " {
		t.Errorf("positions %s", positions(seen))
	}
}

// Events are numbered in pieces. If numbering stops between two pieces, the next reader
// continues.
func TestNumberingStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 2500)
	for _, want := range []struct {
		last int64
		more bool
	}{{1000, true}, {2000, true}, {2500, false}, {2500, false}} {
		if last, more, err := b.repository.Number(context.Background(), b.account); err != nil || last != want.last || more != want.more {
			t.Errorf("%d, %t, %v; want %+v", last, more, err, want)
		}
		b.write(t, 2, "org.created", 0)
	}
	b.write(t, 1, "org.created", 1500)
	page := b.read(t, events.Params{Limit: 1, Cursor: events.Now})
	if page.Last.Position != 4000 || page.HasMore {
		t.Errorf("now: %+v", page)
	}
	seen, _ := b.walk(t, events.Params{Limit: 100})
	if !slices.IsSortedFunc(seen, func(a, b events.Event) int { return int(a.Row - b.Row) }) || len(seen) != 4000 {
		t.Errorf("%d events", len(seen))
	}
}

// With more events than can be numbered before the deadline, cursor=now stops early, and
// the next call continues.
func TestBacklog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 2500)
	now := func() (events.Page, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 1900*time.Millisecond) // enough for one piece only
		defer cancel()
		return b.repository.Read(ctx, b.account, events.Params{Limit: 1, Cursor: events.Now})
	}
	for range 2 {
		if page, err := now(); !errors.Is(err, events.ErrBacklog) {
			t.Errorf("%+v, %v", page, err)
		}
	}
	if page, err := now(); err != nil || page.Last.Position != 2500 {
		t.Errorf("%+v, %v", page, err)
	}
	b.write(t, 1, "org.created", 1500)
	ctx, cancel := context.WithTimeout(context.Background(), 1900*time.Millisecond)
	defer cancel()
	if _, err := b.repository.PlaceReached(ctx, b.account, 3900); !errors.Is(err, events.ErrBacklog) {
		t.Errorf("a position that only the next call can number: %v", err)
	}
	if place, err := b.repository.PlaceReached(ctx, b.account, 3900); err != nil || place.Position != 3900 {
		t.Errorf("%+v, %v", place, err)
	}
}

// A statement that is canceled while it numbers leaves everything as it was.
func TestCanceledNumbering(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 3000)
	for wait := range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(wait)*time.Millisecond)
		_, _, _ = b.repository.Number(ctx, b.account)
		cancel()
	}
	seen, _ := b.walk(t, events.Params{Limit: 100})
	wantAll(t, seen, 3000)
}

// Numbering waits for an erasure of the same events, and both take effect.
func TestNumberingDuringAnErasure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 10)
	tx := b.begin(t, "UPDATE events SET after = '{}' WHERE account_id = $1", b.account)
	numbered := make(chan int64, 1)
	go func() {
		last, _, err := b.repository.Number(context.Background(), b.account)
		if err != nil {
			t.Error(err)
		}
		numbered <- last
	}()
	b.awaitLockWait(t)
	commit(t, tx)
	if last := <-numbered; last != 10 {
		t.Errorf("the last position is %d", last)
	}
	seen, _ := b.walk(t, events.Params{Limit: 100})
	if positions(seen) != "1 2 3 4 5 6 7 8 9 10 " || seen[0].After != "{}" {
		t.Errorf("%s %+v", positions(seen), seen[0])
	}
}

// awaitLockWait waits until a session waits for a lock.
func (b bundle) awaitLockWait(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // polls, because PostgreSQL does not announce lock waits
		var waiting bool
		err := b.Pool.QueryRow(context.Background(), `
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		switch {
		case err != nil:
			t.Fatal(err)
		case waiting:
			return
		case time.Now().After(deadline):
			t.Fatal("no session waits for a lock")
		}
	}
}

// Readers that number events at the same time do not interfere with each other.
func TestConcurrentNumbering(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			for range 20 {
				b.write(tb{t}, byte(i), "org.created", 7)
				if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	seen, _ := b.walk(t, events.Params{Limit: 100})
	wantAll(t, seen, 6*20*7)
}

// tb is a test whose Fatal may be called from other goroutines.
type tb struct{ *testing.T }

func (t tb) Fatal(args ...any) { t.Error(args...) }

func kinds(seen []events.Event) string {
	text := ""
	for i, e := range seen {
		if i > 0 {
			text += " "
		}
		text += e.Type
	}
	return text
}

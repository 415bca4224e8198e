package orgs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/db"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

var radiology = orgs.NewOrg{Name: "Radiology", Metadata: map[string]string{"a": "b"}}

// firstTry returns the first try of a client that counts its retries.
func (b bundle) firstTry() orgs.Call {
	c := b.caller()
	c.CountsRetries = true
	return c
}

func (b bundle) retry() orgs.Call {
	c := b.firstTry()
	c.IsRetry = true
	return c
}

func (b bundle) mustCreate(t fataler, c orgs.Call) orgs.Changed {
	t.Helper()
	made, err := b.repository.Create(context.Background(), c, radiology)
	if err != nil {
		t.Fatalf("Create(%+v): %v", c, err)
	}
	return made
}

// wantNew creates an organization, and fails unless it is a new one.
func (b bundle) wantNew(t fataler, c orgs.Call, others ...uuid.UUID) orgs.Changed {
	t.Helper()
	made := b.mustCreate(t, c)
	for _, other := range others {
		if made.Org.ID == other {
			t.Fatalf("the organization %s was returned to a second call", other)
		}
	}
	if made.Replayed {
		t.Fatalf("%s is marked as replayed", made.Org.ID)
	}
	return made
}

// wantOld retries a creation, and fails unless the result is the organization with the
// given id.
func (b bundle) wantOld(t fataler, c orgs.Call, id uuid.UUID) orgs.Changed {
	t.Helper()
	made := b.mustCreate(t, c)
	if made.Org.ID != id || !made.Replayed {
		t.Fatalf("the retry got %s (replayed: %v), not %s", made.Org.ID, made.Replayed, id)
	}
	return made
}

func (b bundle) count(t testing.TB, sql string, args ...any) (n int) {
	t.Helper()
	if err := b.Pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// No later call returns an organization that was returned to a client, and
// unanswered_creations keeps no row for it.
func TestRetryOfAnAnsweredCreation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.mustCreate(t, b.firstTry()).Org
	second := b.wantNew(t, b.retry(), first.ID).Org
	b.wantNew(t, b.retry(), first.ID, second.ID)
	b.wantNew(t, b.caller(), first.ID, second.ID)
	if n := b.count(t, "SELECT count(*) FROM unanswered_creations"); n != 0 {
		t.Errorf("answered creations left %d rows", n)
	}
	if n := b.count(t, "SELECT count(*) FROM orgs"); n != 4 {
		t.Errorf("%d organizations", n)
	}
}

// A lost answer is returned to one retry. If that answer is lost too, it is returned to
// the next retry.
func TestRetryOfALostAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.mustCreate(t, b.firstTry())
	b.repository.AnswerLost(first)
	again := b.wantOld(t, b.retry(), first.Org.ID)
	if diff := cmp.Diff(first.Org, again.Org); diff != "" {
		t.Errorf("the retry (-first +again):\n%s", diff)
	}
	b.repository.AnswerLost(again)
	third := b.wantOld(t, b.retry(), first.Org.ID)
	b.wantNew(t, b.retry(), first.Org.ID)
	b.repository.AnswerLost(third)
	b.wantOld(t, b.retry(), first.Org.ID)
}

// Only an identical call counts as a retry.
func TestRetryOfAnotherCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.mustCreate(t, b.firstTry())
	b.repository.AnswerLost(first)
	otherKey, otherUser, named, uncounted := b.retry(), b.retry(), b.retry(), b.caller()
	otherKey.KeyID, otherUser.UserID = uuid.UUID{15: 8}, userN(8)
	named.IdempotencyKey = "k"
	for name, c := range map[string]struct {
		orgs.Call
		orgs.NewOrg
	}{
		"another API key":    {otherKey, radiology},
		"another user":       {otherUser, radiology},
		"another name":       {b.retry(), orgs.NewOrg{Name: "Radiology 2", Metadata: radiology.Metadata}},
		"other metadata":     {b.retry(), orgs.NewOrg{Name: "Radiology"}},
		"a first try":        {b.firstTry(), radiology},
		"an idempotency key": {named, radiology},
		"without a count":    {uncounted, radiology},
		"of another account": {orgs.Call{AccountID: b.Account(t), RequestID: "r", CountsRetries: true, IsRetry: true}, radiology},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := b.repository.Create(context.Background(), c.Call, c.NewOrg)
			if err != nil || made.Replayed {
				t.Errorf("%+v, %v", made, err)
			}
		})
	}
	b.wantOld(t, b.retry(), first.Org.ID)
}

// The evidence that an answer was lost ends after 10 minutes, when the organization is
// changed, when a retry takes it, and when PostgreSQL may have lost later commits.
func TestRetryWithoutEvidence(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"too old":               "UPDATE unanswered_creations SET created_at = now() - interval '10 minutes'",
		"changed since":         "UPDATE orgs SET version = 2",
		"older than PostgreSQL": "UPDATE unanswered_creations SET lost_at = pg_postmaster_start_time()",
		"taken":                 "UPDATE unanswered_creations SET taken = true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			first := b.mustCreate(t, b.firstTry())
			b.repository.AnswerLost(first)
			if err := b.repository.RecordLost(context.Background()); err != nil {
				t.Fatal(err)
			}
			b.Exec(t, sql)
			b.wantNew(t, b.retry(), first.Org.ID)
		})
	}
}

// holdCreations blocks every creation in its INSERT until proceed is called.
func (b bundle) holdCreations(t *testing.T) (proceed func()) {
	t.Helper()
	b.Exec(t, `
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
CREATE TRIGGER hold BEFORE INSERT ON orgs FOR EACH ROW EXECUTE FUNCTION hold()`)
	return b.hold(t)
}

func (b bundle) hold(t *testing.T) (proceed func()) {
	t.Helper()
	holder, err := b.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	proceed = func() { _ = holder.Rollback(context.Background()) } // a second rollback does nothing
	t.Cleanup(proceed)
	if _, err := holder.Exec(context.Background(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
		t.Fatal(err)
	}
	return proceed
}

// begin starts a creation in the background and returns a channel for its result.
func (b bundle) begin(ctx context.Context, r *orgs.Repository, c orgs.Call) <-chan error {
	done := make(chan error, 1)
	go func() {
		made, err := r.Create(ctx, c, radiology)
		if err == nil {
			err = answered(made.Org.ID)
		}
		done <- err
	}()
	return done
}

// answered is the result of a successful creation, sent in place of an error: the
// organization's id.
type answered uuid.UUID

func (a answered) Error() string { return "answered with " + uuid.UUID(a).String() }

func (b bundle) only(t *testing.T) (id uuid.UUID) {
	t.Helper()
	if err := b.Pool.QueryRow(context.Background(), "SELECT org_id FROM orgs").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// A creation continues after its client disconnects, and the client's retry gets the
// organization.
func TestClientDisconnectsDuringACreation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proceed := b.holdCreations(t)
	ctx, leave := context.WithCancel(context.Background())
	done := b.begin(ctx, b.repository, b.firstTry())
	b.awaitWaiter(t)
	leave()
	proceed()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first try: %v", err)
	}
	made := b.only(t)
	b.wantOld(t, b.retry(), made)
	b.wantNew(t, b.retry(), made)
}

// A call whose deadline passes returns an error. Whether or not PostgreSQL completes the
// creation, there is one organization after the retry.
func TestDeadlineDuringACreation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proceed := b.holdCreations(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := <-b.begin(ctx, b.repository, b.firstTry()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first try: %v", err)
	}
	proceed()
	b.mustCreate(t, b.retry())
	if n := b.count(t, "SELECT count(*) FROM orgs"); n != 1 {
		t.Errorf("%d organizations", n)
	}
}

// A creation that reaches PostgreSQL after its process gave up fails, because a retry may
// already have created another organization.
func TestCreationThatArrivesLate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.mustCreate(t, b.firstTry())
	b.repository.AnswerLost(made)
	if err := b.repository.RecordLost(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, "DELETE FROM orgs")
	b.wantNew(t, b.retry(), made.Org.ID) // no organization, so no evidence
	_, err := b.Pool.Exec(context.Background(), "INSERT INTO unanswered_creations SELECT * FROM unanswered_creations")
	if err == nil {
		t.Error("a creation succeeded after its process gave up")
	}
}

// A retry waits for an identical creation that PostgreSQL is still executing, and then fails
// with ErrInProgress.
func TestRetryWhileTheFirstTryRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proceed := b.holdCreations(t)
	ctx, leave := context.WithCancel(context.Background())
	done := b.begin(ctx, b.repository, b.firstTry())
	b.awaitWaiter(t)
	if _, err := b.repository.Create(context.Background(), b.retry(), radiology); !errors.Is(err, orgs.ErrInProgress) {
		t.Errorf("while the first try runs: %v", err)
	}
	leave()
	proceed()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first try: %v", err)
	}
	b.wantOld(t, b.retry(), b.only(t))
}

// holdSettles blocks every creation before it settles its answer.
func (b bundle) holdSettles(t *testing.T) (proceed func()) {
	t.Helper()
	b.Exec(t, `
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
CREATE TRIGGER hold BEFORE DELETE ON unanswered_creations FOR EACH STATEMENT EXECUTE FUNCTION hold()`)
	return b.hold(t)
}

// live holds the lock that shows that the repository's process is alive, until die is
// called.
func (b bundle) live(t *testing.T, r *orgs.Repository) (die func()) {
	t.Helper()
	conn, err := b.Pool.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	die = sync.OnceFunc(func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_advisory_unlock_all()")
		if err != nil {
			t.Error(err)
		}
		conn.Release()
	})
	t.Cleanup(die)
	if _, err := conn.Exec(context.Background(), "SELECT pg_advisory_lock_shared($1)", r.Owner()); err != nil {
		t.Fatal(err)
	}
	return die
}

// While the process of an identical creation is alive, a retry in another process waits
// for that creation. If the outcome stays unknown, the retry creates another organization.
// If the process dies, the retry gets the first organization, and calls that still run in
// that process can no longer return it.
func TestProcessDiesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for name, died := range map[string]bool{"alive": false, "dead": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			other := bundle{DB: b.DB, repository: orgs.NewRepository(b.Conns), account: b.account}
			die := b.live(t, b.repository)
			proceed := b.holdSettles(t)
			done := b.begin(context.Background(), b.repository, b.firstTry())
			b.awaitWaiter(t)
			made := b.only(t)
			if died {
				die()
			}
			retried := other.begin(context.Background(), other.repository, b.retry())
			if died {
				b.await(t, "the retry does not take the lost answer", "SELECT count(*) FROM unanswered_creations WHERE taken")
			} else {
				b.await(t, "the retry creates no organization", "SELECT count(*) - 1 FROM orgs")
			}
			proceed()
			first, again := <-done, <-retried
			if (again == error(answered(made))) != died {
				t.Errorf("the retry returned %v, the first try created %s", again, made)
			}
			if died && !errors.Is(first, orgs.ErrUnavailable) || !died && first != error(answered(made)) {
				t.Errorf("the first try: %v", first)
			}
			b.wantNew(t, b.retry(), made)
		})
	}
}

// await waits until the count is not zero.
func (b bundle) await(t *testing.T, failure, sql string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); b.count(t, sql) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(failure)
		}
	}
}

// If it is unknown whether an answer was settled, the answer counts as lost: the call
// fails, and its retry gets the organization.
func TestSettleFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proceed := b.holdSettles(t)
	done := b.begin(context.Background(), b.repository, b.firstTry())
	b.awaitWaiter(t)
	// A waiter is in pg_locks a moment before it is in pg_stat_activity.
	b.await(t, "no settle to cancel", "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'")
	if err := <-done; !errors.Is(err, orgs.ErrUnavailable) {
		t.Errorf("the first try: %v", err)
	}
	proceed()
	b.wantOld(t, b.retry(), b.only(t))
}

// A client disconnects while its answer is being settled. The write still succeeds, but the
// answer counts as lost, so a retry gets the organization.
func TestClientDisconnectsDuringASettle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proceed := b.holdSettles(t)
	ctx, leave := context.WithCancel(context.Background())
	done := b.begin(ctx, b.repository, b.firstTry())
	b.awaitWaiter(t)
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first try: %v", err)
	}
	made := b.only(t)
	proceed()
	b.wantOld(t, b.retry(), made)
	b.wantNew(t, b.retry(), made)
}

// Each lost answer is returned to exactly one retry, however many retries run
// concurrently in several processes.
func TestConcurrentRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	processes := []*orgs.Repository{b.repository, orgs.NewRepository(b.Conns)}
	for _, r := range processes {
		b.live(t, r)
	}
	const answers = 20
	for i := range answers {
		made, err := processes[i%2].Create(context.Background(), b.firstTry(), radiology)
		if err != nil {
			t.Fatal(err)
		}
		processes[i%2].AnswerLost(made)
	}
	for _, r := range processes {
		if err := r.RecordLost(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	got := map[uuid.UUID]int{}
	recovered := 0
	together(2*answers, func(i int) {
		made, err := processes[i%2].Create(context.Background(), b.retry(), radiology)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[made.Org.ID]++
		if made.Replayed {
			recovered++
		}
	})
	if n := b.count(t, "SELECT count(*) FROM orgs"); len(got) != 2*answers || n != 2*answers || recovered != answers {
		t.Errorf("%d retries got %d different organizations of %d, %d of them replayed", 2*answers, len(got), n, recovered)
	}
}

// While the database is unavailable, the process remembers lost answers. A retry in the
// same process gets such an answer as soon as the database is back.
func TestAnswerIsLostWhileTheDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.mustCreate(t, b.firstTry())
	b.Exec(t, "ALTER TABLE unanswered_creations RENAME TO away")
	b.repository.AnswerLost(made)
	select {
	case <-b.repository.Lost():
	default:
		t.Error("the channel of Lost is empty")
	}
	if err := b.repository.RecordLost(context.Background()); err == nil {
		t.Error("RecordLost succeeded without its table")
	}
	b.Exec(t, "ALTER TABLE away RENAME TO unanswered_creations")
	b.wantOld(t, b.retry(), made.Org.ID)
}

// awaitWaiter waits until a statement in this database waits for a lock.
func (b bundle) awaitWaiter(t *testing.T) {
	t.Helper()
	for waiting := false; !waiting; {
		err := b.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
			return q.QueryRow(ctx, `
SELECT EXISTS (
  SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
  WHERE NOT granted AND datname = current_database())`).Scan(&waiting)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSweepDeletesOldCreations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	b.Exec(t, `
INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner, created_at)
SELECT gen_random_uuid(), sha256(''), gen_random_uuid(), gen_random_uuid(), 1, now() - CASE WHEN i = 0 THEN interval '9 minutes' ELSE interval '11 minutes' END
FROM generate_series(0, 2500) AS i`)
	swept, err := b.repository.Sweep(ctx)
	if err != nil || swept != 2500 {
		t.Errorf("swept %d, %v", swept, err)
	}
	if n := b.count(t, "SELECT count(*) FROM unanswered_creations"); n != 1 {
		t.Errorf("%d left", n)
	}
}

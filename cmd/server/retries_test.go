package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/ratelimit"
)

// asOfficial sends the call like an official client: it retries what the official clients
// retry, and sends the number of retries. It makes up to 60 attempts, more than an
// official client. sent is the number of earlier attempts.
func (c call) asOfficial(t *testing.T, servers []string, apiKey string, sent int, wait func(retryAfter string) time.Duration) (a answer) {
	t.Helper()
	for ; sent < 60; sent++ {
		a, err := c.send(servers[sent%len(servers)], apiKey, sent)
		switch {
		case err == nil && a.status == http.StatusCreated:
			return a
		case err == nil && a.status != http.StatusRequestTimeout && a.status != http.StatusConflict &&
			a.status != http.StatusTooManyRequests && a.status < http.StatusInternalServerError:
			t.Errorf("%d %s", a.status, a.text)
			return answer{}
		}
		time.Sleep(wait(a.retryAfter))
	}
	t.Errorf("no attempt succeeded: %d %s", a.status, a.text)
	return answer{}
}

// asTold returns the time in Retry-After, or one second if there is none.
func asTold(retryAfter string) time.Duration {
	seconds, err := strconv.Atoi(retryAfter)
	if err != nil {
		return time.Second
	}
	return time.Duration(seconds) * time.Second
}

func soonAgain(string) time.Duration { return 30 * time.Millisecond }

// creators are clients that create organizations with equal requests. got counts the
// results.
type creators struct {
	working sync.WaitGroup
	mu      sync.Mutex
	calls   int
	got     map[string]int
}

func create(t *testing.T, servers []string, apiKey string, clients, times int, wait func(string) time.Duration) *creators {
	c := &creators{got: map[string]int{}}
	for range clients {
		c.working.Go(func() {
			for range times {
				a := creation("Radiology", false).asOfficial(t, servers, apiKey, 0, wait)
				c.mu.Lock()
				c.calls++
				c.got[a.OrgID]++
				c.mu.Unlock()
			}
		})
	}
	t.Cleanup(c.working.Wait)
	return c
}

// check checks that no two calls got the same organization. It returns how many
// organizations no call got.
func (c *creators) check(t *testing.T, d *dbtest.DB) (unheard int) {
	t.Helper()
	c.working.Wait()
	for id, times := range c.got {
		if times != 1 {
			t.Errorf("%d calls got the organization %s", times, id)
		}
	}
	if len(c.got) != c.calls {
		t.Errorf("%d calls got %d organizations", c.calls, len(c.got))
	}
	return len(organizations(t, d)["Radiology"]) - c.calls
}

// Creations with equal requests are retried after a rate limit. No two get the same
// organization.
func TestEqualCreationsUnderALimit(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	r := start(t, func(c *serveConfig) {
		c.databaseURL, c.limits = d.URL, orgdhttp.Limits{PerKey: ratelimit.PerSecond(5)}
	})
	if unheard := create(t, []string{r.url}, key, 16, 1, asTold).check(t, d); unheard != 0 {
		t.Errorf("there are %d more organizations than calls", unheard)
	}
}

// The database becomes unreachable at a random moment while clients send equal creations.
// When it is back, no two calls have got the same organization.
func TestEqualCreationsThroughAnOutage(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			key := d.Key(t, d.Account(t))
			p := newProxy(t, d.URL)
			var servers []string
			for range replicas {
				r := start(t, func(c *serveConfig) { c.databaseURL, c.maxConns = p.url, 8 })
				r.awaitLog(t, hearing, 1)
				servers = append(servers, r.url)
			}
			for range 3 {
				c := create(t, servers, key, 16, 4, soonAgain)
				before := len(organizations(t, d)["Radiology"])
				await(t, "nothing is created", func() bool { return len(organizations(t, d)["Radiology"]) > before })
				p.cut()
				time.Sleep(700 * time.Millisecond) // length of the outage
				p.restore(t)
				unheard := c.check(t, d)
				t.Logf("%d more organizations than calls", unheard)
				// A retry may reach another replica before the lost answer is recorded.
				// It then creates another organization.
				if unheard < 0 || replicas == 1 && unheard > 0 {
					t.Errorf("there are %d more organizations than calls", unheard)
				}
				d.Exec(t, "UPDATE orgs SET org_name = 'Past'")
			}
		})
	}
}

// A creation that is retried after an outage never gets an earlier organization with the
// same name.
func TestCreationDuringAnOutageGetsANewOrganization(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	p := newProxy(t, d.URL)
	r := start(t, func(c *serveConfig) { remembering(p.url)(c) })
	r.awaitLog(t, hearing, 1)
	radiology := creation("Radiology", false)
	first, err := radiology.send(r.url, key, 0)
	if err != nil || first.status != http.StatusCreated {
		t.Fatalf("%+v, %v", first, err)
	}
	p.cut()
	if second, err := radiology.send(r.url, key, 0); err != nil || second.status != http.StatusServiceUnavailable {
		t.Errorf("without a database: %+v, %v", second, err)
	}
	p.restore(t)
	if again := radiology.asOfficial(t, []string{r.url}, key, 1, soonAgain); again.OrgID == first.OrgID || again.replayed {
		t.Errorf("the retry got the organization %s, which an earlier call created", again.OrgID)
	}
}

// If a retry reaches another replica while the first attempt is still in flight, it
// creates a second organization.
func TestRetryOnAnotherReplicaDuringCreation(t *testing.T) {
	t.Parallel()
	s, server := newScene(t)
	next := startProcess(t, s.URL) // start it before the first attempt, whose deadline may pass during the start
	await(t, "the servers do not listen", func() bool {
		return count(t, s.DB, "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory'") == 2
	})
	radiology := creation("Radiology", false)
	replied := beforeStatement("DELETE FROM unanswered_creations")(t, s, radiology)
	again, err := radiology.send(next.url, s.apiKey, 1)
	if err != nil || again.status != http.StatusCreated || again.replayed {
		t.Errorf("the retry: %+v, %v", again, err)
	}
	s.proxy.requests.release()
	if first := <-replied; first.err != nil || first.status != http.StatusCreated || first.OrgID == again.OrgID {
		t.Errorf("the first attempt: %+v; the retry: %+v", first, again)
	}
	server.kill()
}

// If a creation is committed but not answered within its deadline, a retry gets the
// organization.
func TestRetryAfterTheDeadline(t *testing.T) {
	t.Parallel()
	s, _ := newScene(t)
	radiology := creation("Radiology", false)
	first := <-afterTheCommit(t, s, radiology)
	if first.err != nil || !first.mayBeRepeated() {
		t.Errorf("the first attempt: %+v, %v", first.answer, first.err)
	}
	s.proxy.answers.release()
	again := radiology.asOfficial(t, []string{s.url}, s.apiKey, 1, soonAgain)
	if stored := organizations(t, s.DB)["Radiology"]; len(stored) != 1 || stored[0] != again.OrgID || !again.replayed {
		t.Errorf("stored %v, the retry got %+v", stored, again)
	}
}

// A record of a lost answer that was made before a failover is ignored: a retry may already
// have got the organization from the old primary, and the failover may have lost that update
// of the record.
func TestRetryAfterAPromotion(t *testing.T) {
	t.Parallel()
	pair := startPair(t)
	d, promoted := pair.first, pair.second
	try := orgs.Call{AccountID: d.Account(t), RequestID: "r", CountsRetries: true}
	create := func(on *orgs.Repository, isRetry bool) orgs.Changed {
		t.Helper()
		try.IsRetry = isRetry
		made, err := on.Create(context.Background(), try, orgs.NewOrg{Name: "Radiology"})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	lose := func(on *orgs.Repository, made orgs.Changed) {
		t.Helper()
		on.AnswerLost(made)
		if err := on.RecordLost(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	before := orgs.NewRepository(d.Conns)
	lost := create(before, false)
	lose(before, lost)
	await(t, "the standby does not catch up", func() bool {
		return count(t, promoted, "SELECT count(*) FROM unanswered_creations WHERE lost_at IS NOT NULL") == 1
	})
	pair.primary.kill(t, d)
	promoted.Exec(t, "SELECT pg_promote()")

	after := orgs.NewRepository(promoted.Conns)
	next := create(after, true)
	if next.Replayed {
		t.Errorf("the retry got an organization whose answer was lost before the promotion: %s", next.Org.ID)
	}
	lose(after, next)
	if again := create(after, true); !again.Replayed || again.Org.ID != next.Org.ID {
		t.Errorf("the retry did not get the organization whose answer was lost after the promotion: %+v", again)
	}
}

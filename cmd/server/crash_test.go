package main

import (
	"testing"

	"orgd/internal/dbtest"
)

// scene is a server, its database and a proxy between them. The test kills the server or
// blocks the proxy.
type scene struct {
	*dbtest.DB
	proxy  *proxy
	url    string // of the server
	apiKey string
}

func newScene(t *testing.T) (scene, *process) {
	t.Helper()
	d := dbtest.New(t)
	p := newProxy(t, d.URL)
	server := startProcess(t, p.url)
	return scene{DB: d, proxy: p, url: server.url, apiKey: d.Key(t, d.Account(t))}, server
}

type reply struct {
	answer
	err error
}

// send starts a call and returns at once.
func (s scene) send(c call) <-chan reply {
	replied := make(chan reply, 1)
	go func() {
		a, err := c.send(s.url, s.apiKey, 0)
		replied <- reply{a, err}
	}()
	return replied
}

// pause blocks creations in the statement (IMMEDIATE) or in the commit (DEFERRED) until
// proceed is called.
func (s scene) pause(t *testing.T, when string) (proceed func()) {
	t.Helper()
	// The statement must wait for as long as the test takes.
	s.Exec(t, `CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	s.Exec(t, `CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON orgs
		DEFERRABLE INITIALLY `+when+` FOR EACH ROW EXECUTE FUNCTION pause()`)
	return lock(t, s.DB, "SELECT pg_advisory_xact_lock(1)")
}

// moment starts a call and returns when the call has reached a certain point, at which a
// test can kill the server.
type moment func(*testing.T, scene, call) <-chan reply

// beforeStatement returns the moment at which the server has sent the statement but
// PostgreSQL has not received it.
func beforeStatement(statement string) moment {
	return func(t *testing.T, s scene, c call) <-chan reply {
		s.proxy.requests.holdBack(t, statement)
		replied := s.send(c)
		await(t, "the server does not send the statement: "+statement, s.proxy.requests.holds)
		return replied
	}
}

// afterTheCommit is the moment at which PostgreSQL has committed but the server has not
// received the answer.
func afterTheCommit(t *testing.T, s scene, c call) <-chan reply {
	proceed := s.pause(t, "DEFERRED")
	replied := s.send(c)
	awaitWaiter(t, s.DB)
	s.proxy.answers.holdBack(t, "")
	proceed()
	await(t, "nothing is committed", func() bool { return len(organizations(t, s.DB)) > 0 })
	return replied
}

// If a server is killed shortly before or after the commit, and the client repeats the
// call at another server, exactly one organization is created.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keyed, committed bool
		moment           moment
	}{
		"with a key, before the result is stored": {true, false, beforeStatement("INSERT INTO idempotency_keys")},
		"with a key, after the commit":            {true, true, afterTheCommit},
		"without a key, before the statement":     {false, false, beforeStatement("org_create_2")},
		"without a key, after the commit":         {false, true, afterTheCommit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := newScene(t)
			asked := creation("Acme", c.keyed)
			replied := c.moment(t, s, asked)
			server.kill()
			s.proxy.cut()
			if r := <-replied; r.err == nil {
				t.Errorf("the killed server answered %+v", r.answer)
			}
			stored := organizations(t, s.DB)["Acme"]
			if len(stored) > 0 != c.committed {
				t.Errorf("after the kill, the organizations %v are stored", stored)
			}

			j := newJournal(s.apiKey)
			j.insist(t, startProcess(t, s.URL).url, asked, 1)
			j.check(t, s.DB)
			again := j.answers[asked]
			if again.replayed != c.committed || c.committed && again.OrgID != stored[0] {
				t.Errorf("the call stored %v, but the answer to the repeated call is %+v", stored, again)
			}
		})
	}
}

// While PostgreSQL still runs the statement of a killed server, the answer to a repeated
// call tells the client to retry. The retry succeeds after the statement has ended.
func TestServerKilledWhileTheStatementRuns(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"with a key": true, "without a key": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := newScene(t)
			asked := creation("Acme", keyed)
			proceed := s.pause(t, "IMMEDIATE")
			replied := s.send(asked)
			awaitWaiter(t, s.DB)
			server.kill()
			if r := <-replied; r.err == nil {
				t.Errorf("the killed server answered %+v", r.answer)
			}
			// Until PostgreSQL has noticed, the server counts as alive.
			await(t, "the killed server's connection is open", func() bool {
				return count(t, s.DB, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'orgd listener'") == 0
			})

			next := startProcess(t, s.URL)
			again, err := asked.send(next.url, s.apiKey, 1)
			if err != nil || again.Code != "idempotency_in_progress" || !again.mayBeRepeated() {
				t.Errorf("while the statement runs: %+v, %v", again, err)
			}
			proceed()
			j := newJournal(s.apiKey)
			j.insist(t, next.url, asked, 2)
			j.check(t, s.DB)
			// A call without a key is a single statement, which commits although its
			// client is gone. A call with a key is a transaction, which is rolled back.
			if replayed := j.answers[asked].replayed; replayed == keyed {
				t.Errorf("replayed is %v", replayed)
			}
		})
	}
}

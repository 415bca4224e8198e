package main

import (
	"testing"

	"orgd/internal/dbtest"
)

// scene is a server and its database, one of which the test kills.
type scene struct {
	*dbtest.DB
	proxy  *proxy // between server and database
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

// send starts a call.
func (s scene) send(c call) <-chan reply {
	replied := make(chan reply, 1)
	go func() {
		a, err := c.send(s.url, s.apiKey, 0)
		replied <- reply{a, err}
	}()
	return replied
}

// pause makes creations wait, in the statement (IMMEDIATE) or in the commit (DEFERRED),
// until proceed is called.
func (s scene) pause(t *testing.T, when string) (proceed func()) {
	t.Helper()
	s.Exec(t, `CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	s.Exec(t, `CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON orgs
		DEFERRABLE INITIALLY `+when+` FOR EACH ROW EXECUTE FUNCTION pause()`)
	return lock(t, s.DB, "SELECT pg_advisory_xact_lock(1)")
}

// moment starts a call and brings it to the point where something is killed.
type moment func(*testing.T, scene, call) <-chan reply

// before is when the server has sent the statement and PostgreSQL has not received it.
func before(statement string) moment {
	return func(t *testing.T, s scene, c call) <-chan reply {
		s.proxy.requests.hold(t, statement)
		replied := s.send(c)
		await(t, "it is not sent: "+statement, s.proxy.requests.holds)
		return replied
	}
}

// afterTheCommit is when PostgreSQL has committed and the server does not know.
func afterTheCommit(t *testing.T, s scene, c call) <-chan reply {
	proceed := s.pause(t, "DEFERRED")
	replied := s.send(c)
	awaitWaiter(t, s.DB)
	s.proxy.answers.hold(t, "")
	proceed()
	await(t, "nothing is committed", func() bool { return len(organizations(t, s.DB)) > 0 })
	return replied
}

// If a server is killed around the commit and the client repeats the call at the next
// server, one organization is created.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keyed, committed bool
		moment           moment
	}{
		"key, between the effect and its record": {true, false, before("INSERT INTO idempotency_keys")},
		"key, after the commit":                  {true, true, afterTheCommit},
		"bare retry, before the statement":       {false, false, before("org_create_1")},
		"bare retry, after the commit":           {false, true, afterTheCommit},
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
				t.Errorf("after the kill there are %v", stored)
			}

			j := newJournal(s.apiKey)
			j.insist(t, startProcess(t, s.URL).url, asked, 1)
			j.check(t, s.DB)
			again := j.answers[asked]
			if again.replayed != c.committed || c.committed && again.OrgID != stored[0] {
				t.Errorf("the call had stored %v, its repeat was answered %+v", stored, again)
			}
		})
	}
}

// While PostgreSQL still runs the statement of a killed server, a repeat is told to retry.
// It succeeds when the statement ends.
func TestServerKilledWhileTheStatementRuns(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"key": true, "bare retry": false} {
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

			next := startProcess(t, s.URL)
			again, err := asked.send(next.url, s.apiKey, 1)
			if err != nil || again.Code != "idempotency_in_progress" || !again.mayBeRepeated() {
				t.Errorf("meanwhile: %+v, %v", again, err)
			}
			proceed()
			j := newJournal(s.apiKey)
			j.insist(t, next.url, asked, 2)
			j.check(t, s.DB)
			// Without a transaction, the statement commits although its client is gone.
			if replayed := j.answers[asked].replayed; replayed == keyed {
				t.Errorf("replayed is %v", replayed)
			}
		})
	}
}

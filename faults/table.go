package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// steady is a load that a small machine can serve easily, so that failures are caused by
// the fault.
var steady = pace{workers: 8, every: 20 * time.Millisecond}

// scattered has many clients, only a few of which have a call in flight when the fault
// begins. Those calls may be delayed. The calls of the other clients show whether the
// service works.
var scattered = pace{workers: 80, every: time.Second}

// gentle stays below the default limits of a key and an account.
var gentle = pace{workers: 8, every: 100 * time.Millisecond}

// table lists every fault. A row says what happens, what is promised, and how to inject
// it and end it. The checks that apply to every fault are in check.go and run.go.
var table = []fault{
	{
		name:     "silent-idle",
		what:     "all connections of a full, idle pool go silent, without FIN or RST; new ones work (as after a firewall loses its state)",
		promise:  "serves and is ready within 3 s, at 10 requests/s for each replica",
		within:   4 * time.Second,
		load:     pace{workers: 40, every: 2 * time.Second}, // few calls are in flight at a time
		rest:     3 * time.Second,
		inject:   silenceFull,
		affected: withheld,
	},
	{
		name:     "silent-busy",
		what:     "the same under load",
		promise:  "serves and is ready within 3 s",
		within:   4 * time.Second,
		load:     scattered,
		inject:   silenceFull,
		affected: withheld,
	},
	{
		name:       "silent-primary",
		what:       "the primary goes silent, for new connections too; its synchronous standby is promoted",
		promise:    "serves from the new primary within 10 s of its promotion",
		within:     12 * time.Second,
		setup:      setup{standby: true, synchronous: true},
		load:       scattered,
		inject:     toProxies(func(p *proxy) { p.holdBack(everything) }),
		hold:       time.Second,
		heal:       func(ctx context.Context, s *stage) error { return s.promote(ctx) },
		affected:   withheld,
		finalCheck: revocationReceived,
	},
	{
		name:       "promotion-dead",
		what:       "kill -9 of the primary; its synchronous standby is promoted",
		promise:    "serves from the new primary within 5 s of its promotion, and receives revocations of keys from it",
		within:     8 * time.Second,
		setup:      setup{standby: true, synchronous: true},
		load:       steady,
		inject:     func(_ context.Context, s *stage) error { return s.primary.kill() },
		hold:       time.Second,
		heal:       func(ctx context.Context, s *stage) error { return s.promote(ctx) },
		affected:   someFailed,
		finalCheck: revocationReceived,
	},
	{
		name:       "promotion-read-only",
		what:       "the primary stays up read-only; its standby is promoted",
		promise:    "serves from the new primary within 10 s of its promotion",
		within:     14 * time.Second,
		setup:      setup{standby: true},
		load:       steady,
		inject:     func(ctx context.Context, s *stage) error { return s.stepDown(ctx) },
		hold:       500 * time.Millisecond,
		heal:       func(ctx context.Context, s *stage) error { return s.promote(ctx) },
		affected:   someFailed,
		finalCheck: revocationReceived,
	},
	{
		name:    "sync-wait-canceled",
		what:    "the synchronous standby is down and waiting commits are canceled; then the primary dies and the standby is promoted",
		promise: "a call whose wait is canceled gets 503; serves within 5 s of the promotion",
		within:  8 * time.Second,
		setup:   setup{standby: true, synchronous: true},
		load:    steady,
		allowed: allowance{losesPositions: true},
		inject: func(ctx context.Context, s *stage) error {
			return inOrder(s.standby.stop, func() error { return s.cancelWaits(ctx, 2*time.Second) }, s.primary.kill)
		},
		heal: func(ctx context.Context, s *stage) error {
			return inOrder(func() error { return s.standby.start(ctx) }, func() error { return s.promote(ctx) })
		},
		affected: func(e *episode) error { return atLeast(e.canceled, 1, "waits were canceled") },
	},
	{
		name:    "new-refused",
		what:    "PostgreSQL refuses new connections (53300) while the load grows and the pool has open ones",
		promise: "no call fails: calls without a connection wait for an open one",
		within:  3 * time.Second,
		setup:   setup{unfilled: true},
		load:    pace{workers: 2, every: 20 * time.Millisecond},
		inject: func(ctx context.Context, s *stage) error {
			s.addWorkers(ctx, 16)
			return s.eachProxy(func(p *proxy) { p.rejectNew(tooManyClients) })
		},
		hold:       3 * time.Second,
		heal:       func(_ context.Context, s *stage) error { s.removeWorkers(); return s.eachProxy((*proxy).acceptNew) },
		affected:   refusals,
		finalCheck: noneFailed,
	},
	{
		name:    "max-connections",
		what:    "other clients take all connections of PostgreSQL while the load grows",
		promise: "no call fails",
		within:  3 * time.Second,
		setup:   setup{unfilled: true},
		load:    pace{workers: 2, every: 20 * time.Millisecond},
		inject: func(ctx context.Context, s *stage) (err error) {
			s.release, err = s.takeConnections(ctx)
			s.addWorkers(ctx, 16)
			return err
		},
		hold: 3 * time.Second,
		heal: func(_ context.Context, s *stage) error { s.removeWorkers(); return s.release() },
		affected: func(e *episode) error {
			return atLeast(int(e.proxies[0].dials.Load()), 3, "connections were attempted")
		},
		finalCheck: noneFailed,
	},
	{
		name:       "refused",
		what:       "the database's port refuses connections for 4 s",
		promise:    "serves within 3 s of its return; until then a replica dials at most 50 times per second",
		within:     5 * time.Second,
		load:       steady,
		inject:     toProxies(func(p *proxy) { p.rejectNew(nil); p.cut(all) }),
		hold:       4 * time.Second,
		heal:       toProxies((*proxy).acceptNew),
		affected:   refusals,
		finalCheck: fewDials(4 * 50),
	},
	{
		name:       "hot-organization",
		what:       "60 clients of another account change one organization at each replica, for 4 s",
		promise:    "no call of the other accounts fails; their p99 is at most 50 ms, or twice their p99 without the attack",
		within:     3 * time.Second,
		setup:      setup{limits: true},
		load:       gentle,
		inject:     func(ctx context.Context, s *stage) error { return s.changeOne(ctx, 60) },
		hold:       4 * time.Second,
		heal:       func(_ context.Context, s *stage) error { s.stopAttack(); return nil },
		affected:   sentAtLeast(120),
		finalCheck: undisturbed,
		alone:      true,
	},
	{
		name:       "stalled-bodies",
		what:       "another account starts 200 creations with each of 5 keys at each replica, and sends no body",
		promise:    "no call of the other accounts fails; their p99 is at most 50 ms, or twice their p99 without the attack",
		within:     3 * time.Second,
		setup:      setup{limits: true},
		load:       gentle,
		inject:     func(ctx context.Context, s *stage) error { return s.stallBodies(ctx, 200) },
		hold:       5 * time.Second,
		heal:       func(_ context.Context, s *stage) error { s.stopAttack(); return nil },
		affected:   sentAtLeast(replicaCount * 5 * 200),
		finalCheck: undisturbed,
		alone:      true,
	},
	{
		name:    "log-reader-gone",
		what:    "the readers of the servers' logs exit (SIGPIPE)",
		promise: "no call fails",
		within:  2 * time.Second,
		load:    steady,
		inject: func(_ context.Context, s *stage) error {
			return errors.Join(s.replicas[0].out.Close(), s.replicas[1].out.Close())
		},
		hold: time.Second,
		heal: func(context.Context, *stage) error { return nil }, // the log stays unread
		affected: func(e *episode) error {
			return atLeast(len(e.attemptsDuring()), 1, "calls were made and logged")
		},
		finalCheck: noneFailed,
	},
	{
		name:     "postgres-killed",
		what:     "kill -9 of all processes of PostgreSQL, restarted after 1 s",
		promise:  "serves within 3 s of its return",
		within:   6 * time.Second,
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.primary.kill() },
		hold:     time.Second,
		heal:     func(ctx context.Context, s *stage) error { return s.primary.start(ctx) },
		affected: someFailed,
	},
	{
		name:     "backend-killed",
		what:     "kill -9 of one PostgreSQL process during COMMIT; PostgreSQL ends all others and recovers",
		promise:  "serves within 3 s of PostgreSQL's return",
		within:   6 * time.Second,
		load:     steady,
		inject:   func(ctx context.Context, s *stage) error { return s.killInCommit(ctx) },
		heal:     func(ctx context.Context, s *stage) error { return s.endSlowCommits(ctx) },
		affected: someFailed,
	},
	{
		name:     "postgres-restarted",
		what:     "PostgreSQL is stopped (fast) and restarted after 1 s",
		promise:  "serves within 3 s of its return",
		within:   6 * time.Second,
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.primary.stop() },
		hold:     time.Second,
		heal:     func(ctx context.Context, s *stage) error { return s.primary.start(ctx) },
		affected: someFailed,
	},
	{
		name:     "restored",
		what:     "a backup of PostgreSQL is restored under load; it lacks the last 2 s",
		promise:  "serves within 3 s of PostgreSQL's return; readers of the feed whose cursor is too new get 410, and the others continue",
		within:   6 * time.Second,
		load:     steady,
		allowed:  allowance{restores: true},
		inject:   func(ctx context.Context, s *stage) error { return s.backUp(ctx) },
		hold:     2 * time.Second,
		heal:     func(ctx context.Context, s *stage) error { return s.restore(ctx) },
		affected: rewound,
	},
	{
		name:     "server-killed",
		what:     "kill -9 of a replica under load, 5 times, restarted immediately",
		promise:  "serves as soon as it runs",
		within:   4 * time.Second,
		load:     steady,
		allowed:  allowance{breaks: true},
		inject:   func(ctx context.Context, s *stage) error { return s.killReplica(ctx, 5) },
		heal:     func(ctx context.Context, s *stage) error { return s.replicas[0].start(ctx) },
		affected: someFailed,
	},
	{
		name:     "server-restarted",
		what:     "SIGTERM to a replica under load, restarted when it has exited",
		promise:  "it exits with 0, and serves as soon as it runs",
		within:   4 * time.Second,
		load:     steady,
		allowed:  allowance{breaks: true},
		inject:   func(_ context.Context, s *stage) error { return s.replicas[0].stop() },
		heal:     func(ctx context.Context, s *stage) error { return s.replicas[0].start(ctx) },
		affected: someFailed,
	},
	{
		name:     "black-hole",
		what:     "the network holds all packets for 4 s, and then delivers them",
		promise:  "serves within 3 s of its end",
		within:   6 * time.Second,
		load:     steady,
		inject:   toProxies(func(p *proxy) { p.holdBack(everything) }),
		hold:     4 * time.Second,
		heal:     toProxies(func(p *proxy) { p.holdBack(nothing) }),
		affected: withheld,
	},
	{
		name:       "latency",
		what:       "the network to the database has a latency of 50 ms each way, for 4 s",
		promise:    "no call fails",
		within:     3 * time.Second,
		load:       steady,
		inject:     toProxies(func(p *proxy) { p.slow(50 * time.Millisecond) }),
		hold:       4 * time.Second,
		heal:       toProxies(func(p *proxy) { p.slow(0) }),
		affected:   someTook(100 * time.Millisecond),
		finalCheck: noneFailed,
	},
	{
		name:    "resets",
		what:    "all connections to the database are reset every 200 ms, for 3 s",
		promise: "serves within 2 s of the last reset",
		within:  3 * time.Second,
		load:    steady,
		inject: func(ctx context.Context, s *stage) error {
			for range 15 {
				_ = s.eachProxy(func(p *proxy) { p.cut(all) })
				sleep(ctx, 200*time.Millisecond)
			}
			return nil
		},
		heal:     toProxies(func(p *proxy) { p.cut(all) }),
		affected: broken,
	},
	{
		name:     "answers-lost",
		what:     "statements and commits reach PostgreSQL, but its answers are lost with the connections",
		promise:  "serves within 3 s; a repeated call takes effect once",
		within:   5 * time.Second,
		load:     steady,
		inject:   toProxies(func(p *proxy) { p.holdBack(answers) }),
		hold:     500 * time.Millisecond,
		heal:     toProxies(func(p *proxy) { p.cut(all); p.holdBack(nothing) }),
		affected: withheld,
	},
	{
		name:     "disk-full",
		what:     "the disk of PostgreSQL's data is full for 3 s",
		promise:  "a change that does not fit gets 503; serves within 3 s after there is space",
		within:   5 * time.Second,
		setup:    setup{smallDisk: "data"},
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.disk.fill() },
		hold:     3 * time.Second,
		heal:     func(_ context.Context, s *stage) error { return s.disk.free() },
		affected: someFailed,
	},
	{
		name:     "wal-disk-full",
		what:     "the disk of the write-ahead log (WAL) is full and PostgreSQL exits; restarted when there is space",
		promise:  "serves within 3 s of PostgreSQL's return",
		within:   6 * time.Second,
		setup:    setup{smallDisk: "wal"},
		load:     steady,
		inject:   func(ctx context.Context, s *stage) error { return s.fillWAL(ctx) },
		hold:     time.Second,
		heal:     func(ctx context.Context, s *stage) error { return s.freeWAL(ctx) },
		affected: someFailed,
	},
	{
		name:    "locked-table",
		what:    "an operator holds an ACCESS EXCLUSIVE lock on the table orgs for 4 s",
		promise: "calls wait 2 s, and then get 503; serves within 2 s of the release",
		within:  5 * time.Second,
		load:    steady,
		inject: func(ctx context.Context, s *stage) (err error) {
			s.release, err = s.lock(ctx, "LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE")
			return err
		},
		hold:     4 * time.Second,
		heal:     func(_ context.Context, s *stage) error { return s.release() },
		affected: someTook(time.Second),
	},
	{
		name:    "pool-of-one",
		what:    "each replica has one connection to the database, and 16 more clients send requests for 3 s",
		promise: "no call fails",
		within:  3 * time.Second,
		// A worker that delivers to a webhook would compete with the requests for the only
		// connection, and make them wait longer.
		setup:  setup{env: []string{"ORGD_DB_MAX_CONNS=1"}, noWebhook: true},
		load:   steady,
		inject: func(ctx context.Context, s *stage) error { s.addWorkers(ctx, 16); return nil },
		hold:   3 * time.Second,
		heal:   func(_ context.Context, s *stage) error { s.removeWorkers(); return nil },
		affected: func(e *episode) error {
			if n := len(e.proxies[0].chosen(all)); n > 2 { // one for requests and one that listens
				return fmt.Errorf("a replica has %d connections", n)
			}
			return nil
		},
		finalCheck: noneFailed,
	},
	{
		name:     "listener-cut",
		what:     "the connection that listens for key changes is cut for 3 s, during which a key is revoked",
		promise:  "no call fails; the key is rejected within 10 s of the connection's return",
		within:   3 * time.Second,
		load:     steady,
		inject:   func(ctx context.Context, s *stage) error { return s.revokeWithoutNotice(ctx) },
		hold:     3 * time.Second,
		heal:     toProxies((*proxy).acceptNew),
		affected: broken,
		finalCheck: func(ctx context.Context, e *episode) error {
			return errors.Join(secondKeyRejected(ctx, e), noneFailed(ctx, e))
		},
	},
	{
		name:     "postgres-paused",
		what:     "SIGSTOP of all processes of PostgreSQL for 3 s",
		promise:  "serves within 3 s of SIGCONT",
		within:   6 * time.Second,
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.primary.pause() },
		hold:     3 * time.Second,
		heal:     func(_ context.Context, s *stage) error { return s.primary.resume() },
		affected: someTook(time.Second),
	},
	{
		name:     "server-paused",
		what:     "SIGSTOP of a replica for 7 s, so that another one takes over its webhooks",
		promise:  "serves within 1 s of SIGCONT",
		within:   4 * time.Second,
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.replicas[0].signal(syscall.SIGSTOP) },
		hold:     7 * time.Second,
		heal:     func(_ context.Context, s *stage) error { return s.replicas[0].signal(syscall.SIGCONT) },
		affected: someTook(time.Second),
	},
	{
		name:     "pgbouncer-restarted",
		what:     "PgBouncer (transaction mode, server_login_retry = 1) is stopped and restarted after 1 s",
		promise:  "serves within 3 s of its return",
		within:   6 * time.Second,
		setup:    setup{pooler: true},
		load:     steady,
		inject:   func(_ context.Context, s *stage) error { return s.pgbouncer.stop() },
		hold:     time.Second,
		heal:     func(ctx context.Context, s *stage) error { return s.pgbouncer.start(ctx) },
		affected: someFailed,
	},
	{
		name:       "overload",
		what:       "for 5 s, clients send 3 times as many requests as the replicas can serve with 2 slow connections each",
		promise:    "the replicas serve at least half of their capacity and answer the rest with 503 or 429; they serve everything within 2 s of its end",
		within:     5 * time.Second,
		setup:      setup{env: []string{"ORGD_DB_MAX_CONNS=2"}, delay: 5 * time.Millisecond},
		load:       gentle,
		allowed:    allowance{limited: true},
		inject:     func(ctx context.Context, s *stage) error { return s.flood(ctx, 3) },
		hold:       floodLength,
		heal:       func(_ context.Context, s *stage) error { s.stopAttack(); return nil },
		affected:   sentAtLeast(200),
		finalCheck: muchServed(floodLength),
		alone:      true,
	},
}

const floodLength = 5 * time.Second

// toProxies calls do with the proxy of each replica to the first primary.
func toProxies(do func(*proxy)) func(context.Context, *stage) error {
	return func(_ context.Context, s *stage) error { return s.eachProxy(do) }
}

// silenceFull silences all connections of every pool. It fails if a pool is not full.
func silenceFull(_ context.Context, s *stage) error {
	const connections = 10 + 1 // the default size of the pool, and the listener
	for _, p := range s.proxies {
		if err := atLeast(len(p.chosen(all)), connections, "connections are open"); err != nil {
			return err
		}
	}
	return s.eachProxy((*proxy).silence)
}

// inOrder runs the steps until the first error.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// find returns the faults with the given names, or all faults if there are no names.
func find(names []string) (found []*fault, err error) {
	byName := map[string]*fault{}
	for i := range table {
		byName[table[i].name] = &table[i]
		if len(names) == 0 {
			found = append(found, &table[i])
		}
	}
	for _, name := range names {
		if byName[name] == nil {
			err = errors.Join(err, fmt.Errorf("unknown fault %q; --list lists the faults", name))
			continue
		}
		found = append(found, byName[name])
	}
	return found, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"orgd/internal/localpg"
)

// setup is the environment that a fault needs.
type setup struct {
	env         []string      // of the replicas; it overrides the harness's own variables
	limits      bool          // the replicas keep the default rate limits, which the usual load exceeds
	standby     bool          // a second server replicates, and is in the database URL
	synchronous bool          // commits wait for the standby
	smallDisk   string        // "wal" or "data" is on a separate disk that can be filled
	pooler      bool          // PgBouncer is in front of the primary
	unfilled    bool          // do not fill the pools first
	noWebhook   bool          // the account has no webhook
	delay       time.Duration // of the network to the database, from the start
}

// stage is the replicas, their database, and the proxies between them.
type stage struct {
	*template
	setup
	dir       string
	primary   *postgres // the server that accepts writes
	standby   *postgres // nil if there is none
	proxies   []*proxy  // of each replica, to the first primary
	others    []*proxy  // of each replica, to the standby
	replicas  []*replica
	pgbouncer *pgbouncer
	disk      *disk
	load      *load
	readers   *readers
	receiver  *receiver // nil if there is no webhook
	undo      []func() error

	// Set by inject, for heal and the checks.
	extraLoad *load
	attack    *attack
	release   func() error
	backedUp  int64   // the last position that the backup may have; see backUp
	canceled  int     // number of canceled waits for the standby
	capacity  float64 // requests per second
}

const replicaCount = 2

// errNotPossible means that a fault cannot run on this machine.
var errNotPossible = errors.New("not possible here")

// newStage builds a stage. If that fails, it removes what it has built.
func newStage(ctx context.Context, t *template, f *fault) (*stage, error) {
	s := &stage{template: t, setup: f.setup}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.tearDown())
	}
	s.load = newLoad(f.name, f.load, s.urls(), t.tenant.keys[0])
	return s, nil
}

func (s *stage) build(ctx context.Context) (err error) {
	if s.dir, err = newDir(s.template.dir); err != nil {
		return err
	}
	s.onTearDown(func() error { return os.RemoveAll(s.dir) })
	if err := s.template.postgres.copyTo(ctx, s.dir); err != nil {
		return err
	}
	if err := s.openDisk(ctx); err != nil {
		return err
	}
	if s.primary, err = startPostgres(ctx, s.dir); err != nil {
		return err
	}
	s.onTearDown(s.primary.remove)
	if err := s.moveToDisk(ctx); err != nil {
		return err
	}
	if s.setup.standby {
		if err := s.startStandby(ctx); err != nil {
			return err
		}
	}
	if s.pooler {
		if err := s.openPooler(ctx); err != nil {
			return err
		}
	}
	if !s.noWebhook {
		if s.receiver, err = newReceiver(s.dir); err != nil {
			return err
		}
		s.onTearDown(s.receiver.close)
	}
	for i := range replicaCount {
		if err := s.addReplica(ctx, i); err != nil {
			return err
		}
	}
	if s.receiver == nil {
		return nil
	}
	return s.receiver.subscribe(ctx, s.replicas[0].url(), s.tenant.readerKey)
}

// onTearDown registers a function for tearDown, which calls the functions in reverse
// order.
func (s *stage) onTearDown(undo func() error) { s.undo = append(s.undo, undo) }

func (s *stage) tearDown() error {
	var errs []error
	if s.readers != nil {
		s.readers.stop()
	}
	s.removeWorkers()
	s.stopAttack()
	for i := len(s.undo) - 1; i >= 0; i-- {
		errs = append(errs, s.undo[i]())
	}
	return errors.Join(errs...)
}

// startStandby starts the standby. If it is synchronous, commits wait for it.
func (s *stage) startStandby(ctx context.Context) (err error) {
	if s.standby, err = s.primary.standby(ctx, s.template.dir); err != nil {
		return err
	}
	standby := s.standby
	s.onTearDown(func() error { return errors.Join(standby.remove(), os.RemoveAll(standby.dir)) })
	if !s.synchronous {
		return nil
	}
	if err := s.primary.exec(ctx, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.primary.awaitTrue(ctx, "the standby follows", "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// addReplica starts a replica behind its own proxies.
func (s *stage) addReplica(ctx context.Context, number int) error {
	target := s.primary.addr()
	if s.pgbouncer != nil {
		target = s.pgbouncer.addr
	}
	first, err := s.between(target)
	if err != nil {
		return err
	}
	first.slow(s.delay)
	s.proxies = append(s.proxies, first)
	hosts, options := first.addr, "?sslmode=disable"
	if s.standby != nil {
		second, err := s.between(s.standby.addr())
		if err != nil {
			return err
		}
		s.others = append(s.others, second)
		hosts, options = hosts+","+second.addr, options+"&target_session_attrs=read-write"
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	r := &replica{number: number, program: s.program, addr: fmt.Sprint("127.0.0.1:", port)}
	r.env = append(r.env, "DATABASE_URL="+s.serverURL(hosts)+options)
	if s.pgbouncer != nil {
		r.env = append(r.env, s.pgbouncer.env(s.serverURL(s.primary.addr())+options)...)
	}
	if !s.limits {
		r.env = append(r.env, "ORGD_RATE_LIMIT=0", "ORGD_RATE_LIMIT_PER_ACCOUNT=0")
	}
	if s.receiver != nil {
		r.env = append(r.env, s.receiver.env()...)
	}
	r.env = append(r.env, s.env...)
	if err := r.start(ctx); err != nil {
		return err
	}
	s.replicas = append(s.replicas, r)
	s.onTearDown(r.stop)
	return nil
}

// serverURL returns the database URL for the role of the server.
func (s *stage) serverURL(hosts string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s", server, password, hosts, database)
}

func (s *stage) between(target string) (*proxy, error) {
	p, err := newProxy(target)
	if err == nil {
		s.onTearDown(func() error { p.close(); return nil })
	}
	return p, err
}

func (s *stage) urls() (urls []string) {
	for _, r := range s.replicas {
		urls = append(urls, r.url())
	}
	return urls
}

// eachProxy calls do with the proxy of every replica to the first primary.
func (s *stage) eachProxy(do func(*proxy)) error {
	for _, p := range s.proxies {
		do(p)
	}
	return nil
}

// promote promotes the standby to primary.
func (s *stage) promote(ctx context.Context) error {
	if err := s.standby.exec(ctx, "postgres", "SELECT pg_promote()"); err != nil {
		return err
	}
	s.primary = s.standby
	return nil
}

// remove stops the server and deletes its directory. The server may have been paused or
// killed: an unclean exit is not an error.
func (p *postgres) remove() error {
	select {
	case <-p.server.Done():
	default:
		_ = p.resume() // it may be paused; if it has ended, Remove reports it
	}
	err := p.server.Remove()
	if errors.Is(err, localpg.ErrInUse) || err != nil && !strings.Contains(err.Error(), "had already exited unexpectedly") {
		return err
	}
	return nil
}

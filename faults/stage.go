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

// setup says what a fault needs around it.
type setup struct {
	env         []string      // of the replicas, before the harness's own
	limits      bool          // keep the default limits, which the load would meet
	standby     bool          // a second server that follows, and is in the URL
	synchronous bool          // commits wait for the standby
	smallDisk   string        // what is on a separate disk that can be filled: "wal" or "data"
	pooler      bool          // PgBouncer in between
	unfilled    bool          // the pools have only what a small load needs
	delay       time.Duration // of the network to the database, from the beginning
}

// stage is the replicas, their database, and what is between.
type stage struct {
	*template
	setup
	dir       string
	primary   *postgres // the one that is written to
	standby   *postgres // nil if there is none
	proxies   []*proxy  // of each replica, to the first primary
	others    []*proxy  // of each replica, to the standby
	replicas  []*replica
	pgbouncer *pgbouncer
	disk      *disk
	load      *load
	undo      []func() error

	// What faults leave to their ends and checks.
	guests    *load
	attack    *attack
	release   func() error
	cancelled int     // waits for the standby
	capacity  float64 // requests a second
}

const replicaCount = 2

// errNotHere is why a fault cannot be tried on this machine.
var errNotHere = errors.New("not possible here")

// raise builds a stage; lower takes it down, however far it came.
func raise(ctx context.Context, t *template, f *fault) (*stage, error) {
	s := &stage{template: t, setup: f.setup}
	if err := s.raise(ctx); err != nil {
		return nil, errors.Join(err, s.lower())
	}
	s.load = newLoad(f.name, f.load, s.urls(), t.tenant.keys[0])
	return s, nil
}

func (s *stage) raise(ctx context.Context) (err error) {
	if s.dir, err = newDir(s.parent); err != nil {
		return err
	}
	s.later(func() error { return os.RemoveAll(s.dir) })
	if err := s.template.postgres.copyTo(ctx, s.dir); err != nil {
		return err
	}
	if err := s.openDisk(ctx); err != nil {
		return err
	}
	if s.primary, err = startPostgres(ctx, s.dir); err != nil {
		return err
	}
	s.later(s.primary.remove)
	if err := s.moveToDisk(ctx); err != nil {
		return err
	}
	if s.setup.standby {
		if err := s.follow(ctx); err != nil {
			return err
		}
	}
	if s.pooler {
		if err := s.openPooler(ctx); err != nil {
			return err
		}
	}
	for i := range replicaCount {
		if err := s.addReplica(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// later has something undone at the end, the last first.
func (s *stage) later(undo func() error) { s.undo = append(s.undo, undo) }

func (s *stage) lower() error {
	var errs []error
	s.disperse()
	s.stopAttack()
	for i := len(s.undo) - 1; i >= 0; i-- {
		errs = append(errs, s.undo[i]())
	}
	return errors.Join(errs...)
}

// follow starts the standby.
func (s *stage) follow(ctx context.Context) (err error) {
	if s.standby, err = s.primary.standby(ctx, s.parent); err != nil {
		return err
	}
	standby := s.standby
	s.later(func() error { return errors.Join(standby.remove(), os.RemoveAll(standby.dir)) })
	if !s.synchronous {
		return nil
	}
	if err := s.primary.exec(ctx, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.primary.until(ctx, "the standby follows", "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// addReplica starts a replica behind proxies of its own.
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
	r.env = append(r.env, s.env...)
	if err := r.start(ctx); err != nil {
		return err
	}
	s.replicas = append(s.replicas, r)
	s.later(r.stop)
	return nil
}

// serverURL is the database for the role that serves.
func (s *stage) serverURL(hosts string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s", server, password, hosts, database)
}

func (s *stage) between(target string) (*proxy, error) {
	p, err := newProxy(target)
	if err == nil {
		s.later(func() error { p.close(); return nil })
	}
	return p, err
}

func (s *stage) urls() (urls []string) {
	for _, r := range s.replicas {
		urls = append(urls, r.url())
	}
	return urls
}

// eachProxy does something to the way of every replica to the first primary.
func (s *stage) eachProxy(do func(*proxy)) error {
	for _, p := range s.proxies {
		do(p)
	}
	return nil
}

// promote has the standby be the primary from now on.
func (s *stage) promote(ctx context.Context) error {
	if err := s.standby.exec(ctx, "postgres", "SELECT pg_promote()"); err != nil {
		return err
	}
	s.primary = s.standby
	return nil
}

// remove ends the server and deletes it. One that was killed or paused has not ended
// in order, and is none the worse.
func (p *postgres) remove() error {
	select {
	case <-p.server.Done():
	default:
		_ = p.resume() // it may be paused; if it has just ended, Remove says so
	}
	err := p.server.Remove()
	if inUse := (*localpg.InUseError)(nil); errors.As(err, &inUse) || err != nil && !strings.Contains(err.Error(), "had ended by itself") {
		return err
	}
	return nil
}

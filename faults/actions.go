package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// addWorkers adds workers that record their calls in the ledger of the main load. They run
// until removeWorkers is called, at the latest at the end of the run.
func (s *stage) addWorkers(ctx context.Context, workers int) {
	s.extraLoad = newLoad(s.load.name+"-extra", pace{workers: workers, every: s.load.every}, s.urls(), s.tenant.keys[0])
	s.extraLoad.ledger = s.load.ledger
	s.extraLoad.start(ctx)
}

func (s *stage) removeWorkers() {
	if s.extraLoad != nil {
		s.extraLoad.stop(stopLimit)
		s.extraLoad = nil
	}
}

// lock executes sql in a transaction that stays open until release is called.
func (s *stage) lock(ctx context.Context, sql string) (release func() error, err error) {
	conn, err := s.primary.connect(ctx, database)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "BEGIN; "+sql); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return func() error { return conn.Close(ctx) }, nil
}

// takeConnections takes all remaining connections of PostgreSQL until release is called.
func (s *stage) takeConnections(ctx context.Context) (release func() error, err error) {
	var taken []*pgx.Conn
	release = func() error {
		var errs []error
		for _, conn := range taken {
			errs = append(errs, conn.Close(ctx))
		}
		return errors.Join(errs...)
	}
	for {
		conn, err := s.primary.connect(ctx, "postgres")
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused) && refused.Code == "53300":
			return release, nil
		case err != nil:
			return nil, errors.Join(err, release())
		}
		taken = append(taken, conn)
	}
}

// cancelWaits cancels, for the duration d, the wait of every commit for the standby.
func (s *stage) cancelWaits(ctx context.Context, d time.Duration) error {
	conn, err := s.primary.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for end := time.Now().Add(d); time.Now().Before(end); sleep(ctx, 50*time.Millisecond) {
		var canceled int
		err := conn.QueryRow(ctx, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&canceled)
		if err != nil {
			return err
		}
		s.canceled += canceled
	}
	return nil
}

// killReplica kills the first replica the given number of times, at random moments. It
// restarts the replica after each kill except the last.
func (s *stage) killReplica(ctx context.Context, times int) error {
	r := s.replicas[0]
	for range times - 1 {
		if err := inOrder(r.kill, func() error { return r.start(ctx) }); err != nil {
			return err
		}
		sleep(ctx, 100*time.Millisecond+rand.N(50*time.Millisecond))
	}
	return r.kill()
}

// stepDown makes the primary read-only, and waits until the standby has caught up.
func (s *stage) stepDown(ctx context.Context) error {
	if err := s.primary.exec(ctx, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.primary.awaitTrue(ctx, "the standby catches up",
		"SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()")
}

// backUp stops the database, copies it, and starts it again. The first reader of the feed
// does not read until restore.
func (s *stage) backUp(ctx context.Context) error {
	turn := s.readers.all[0].turn
	turn <- struct{}{}
	s.release = func() error { <-turn; return nil }
	dir := filepath.Join(s.dir, "backup")
	return inOrder(s.primary.stop, func() error { return os.Mkdir(dir, 0o711) },
		func() error { return s.primary.copyTo(ctx, dir) }, func() error { return s.primary.start(ctx) },
		func() error {
			// The backup has no position after this one.
			return s.primary.query(ctx, database, "SELECT coalesce(max(position), 0) FROM events", &s.backedUp)
		})
}

// restore replaces the database with the backup, after the other readers of the feed have
// got events that the backup lacks.
func (s *stage) restore(ctx context.Context) error {
	if err := s.readers.readBeyond(ctx, s.backedUp); err != nil {
		return err
	}
	cluster := filepath.Dir(s.primary.data)
	return inOrder(s.primary.stop, func() error { return os.RemoveAll(cluster) },
		func() error { return os.Rename(filepath.Join(s.dir, "backup", filepath.Base(cluster)), cluster) },
		func() error { return s.primary.start(ctx) }, s.release)
}

// slowCommits delays the commits of creations, so that a fault can hit one. quickCommits
// undoes this.
const (
	slowCommits = `CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON orgs
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow_commit()`
	quickCommits = "DROP TRIGGER slow_commit ON orgs; DROP FUNCTION slow_commit()"
)

// killInCommit kills a PostgreSQL process during a commit. PostgreSQL then ends all
// other processes and recovers.
func (s *stage) killInCommit(ctx context.Context) error {
	if err := s.primary.exec(ctx, database, slowCommits); err != nil {
		return err
	}
	var pid int
	err := await(ctx, "a backend commits", 10*time.Second, func() (bool, error) {
		err := s.primary.query(ctx, database, `SELECT pid FROM pg_stat_activity
			WHERE wait_event = 'PgSleep' AND query ILIKE 'commit%' LIMIT 1`, &pid)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// endSlowCommits waits until PostgreSQL is back, and undoes slowCommits.
func (s *stage) endSlowCommits(ctx context.Context) error {
	return await(ctx, "PostgreSQL is back", 20*time.Second, func() (bool, error) {
		return s.primary.exec(ctx, database, quickCommits) == nil, nil
	})
}

// fillWAL fills the disk of the write-ahead log, and makes PostgreSQL write more of it
// until it fails.
func (s *stage) fillWAL(ctx context.Context) error {
	if err := s.disk.fill(); err != nil {
		return err
	}
	return await(ctx, "PostgreSQL runs out of space", 20*time.Second, func() (bool, error) {
		err := s.primary.exec(ctx, database, "CREATE TABLE IF NOT EXISTS filler (text text)",
			"INSERT INTO filler SELECT repeat(md5(n::text), 30) FROM generate_series(1, 20000) AS n")
		return err != nil, nil
	})
}

// freeWAL frees the disk, and starts PostgreSQL if it has exited, as an operator would.
func (s *stage) freeWAL(ctx context.Context) error {
	if err := s.disk.free(); err != nil {
		return err
	}
	ended := false
	err := await(ctx, "PostgreSQL exits or continues", 20*time.Second, func() (bool, error) {
		select {
		case <-s.primary.server.Done():
			ended = true
			return true, nil
		default:
			return s.primary.exec(ctx, database, "DROP TABLE IF EXISTS filler") == nil, nil
		}
	})
	if err != nil || !ended {
		return err
	}
	if err := s.primary.ended("had already exited unexpectedly"); err != nil {
		return err
	}
	return s.primary.start(ctx)
}

// useSecondKey makes every replica cache the tenant's second key.
func (s *stage) useSecondKey(ctx context.Context) error {
	for _, r := range s.replicas {
		var page any
		if err := getJSON(ctx, r.url()+"/v1/orgs", s.tenant.keys[1], &page); err != nil {
			return err
		}
	}
	return nil
}

// revokeSecondKey revokes the second key in the database.
func (s *stage) revokeSecondKey(ctx context.Context) error {
	return s.primary.exec(ctx, database, fmt.Sprintf(
		"UPDATE api_keys SET revoked_at = now() WHERE account_id = '%s' AND digest = sha256('%s')", s.tenant.id, s.tenant.keys[1]))
}

// revokeWithoutNotice revokes a key that every replica has cached. No replica receives
// the notification.
func (s *stage) revokeWithoutNotice(ctx context.Context) error {
	if err := s.useSecondKey(ctx); err != nil {
		return err
	}
	if err := s.eachProxy(func(p *proxy) { p.rejectNew(nil); p.cut(listens) }); err != nil {
		return err
	}
	return s.revokeSecondKey(ctx)
}

// secondKeyRejected checks that every replica soon rejects the second key.
func secondKeyRejected(ctx context.Context, e *episode) error {
	for _, r := range e.replicas {
		err := await(ctx, fmt.Sprintf("replica %d rejects a revoked key", r.number), 10*time.Second, func() (bool, error) {
			var page any
			err := getJSON(ctx, r.url()+"/v1/orgs", e.tenant.keys[1], &page)
			return err != nil && strings.HasPrefix(err.Error(), "401"), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// revocationReceived checks that the replicas receive changes to keys from the new
// primary.
func revocationReceived(ctx context.Context, e *episode) error {
	if err := errors.Join(e.useSecondKey(ctx), e.revokeSecondKey(ctx)); err != nil {
		return err
	}
	return secondKeyRejected(ctx, e)
}

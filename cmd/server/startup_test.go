package main

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"orgd/internal/dbtest"
)

// rejecting starts a fake PostgreSQL that rejects every connection with one SQLSTATE.
func rejecting(t *testing.T, sqlstate string) (databaseURL string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed
			}
			go reject(conn, sqlstate)
		}
	}()
	return "postgres://u:secret@" + ln.Addr().String() + "/d?sslmode=disable"
}

// reject answers the first message of a connection. Errors are ignored, because the
// client may have closed the connection.
func reject(conn net.Conn, sqlstate string) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: sqlstate, Message: "rejected with " + sqlstate})
	_ = backend.Flush()
}

// If only another URL or another database can fix the error, the server reports it in one
// line and exits. If the database may come up, or an administrator may grant access, the
// server waits.
func TestStartWithoutADatabase(t *testing.T) {
	t.Parallel()
	const (
		ends        = ""
		unreachable = "the database cannot be reached;"
		denied      = "the database denies access"
	)
	for sqlstate, want := range map[string]string{
		"3D000": ends,        // no such database
		"42704": ends,        // unknown parameter in the URL
		"22023": ends,        // invalid value of a parameter
		"28P01": denied,      // wrong password
		"28000": denied,      // no such role, or pg_hba.conf rejects it
		"42501": denied,      // no CONNECT privilege on the database
		"57P03": unreachable, // starting up
		"57P01": unreachable, // shutting down
		"53300": unreachable, // too many connections
		"08P01": unreachable, // PgBouncer's code for most errors
		"XX000": unreachable,
	} {
		t.Run(sqlstate, func(t *testing.T) {
			t.Parallel()
			checkStart(t, rejecting(t, sqlstate), want, sqlstate)
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		t.Parallel()
		checkStart(t, "postgres://u:secret@127.0.0.1:1/d", unreachable, "connection refused")
	})
	t.Run("no such host", func(t *testing.T) {
		t.Parallel()
		checkStart(t, "postgres://u:secret@absent.invalid/d", unreachable, "absent.invalid")
	})
}

// checkStart starts a server. If waits is empty, the server must exit with one line that
// contains the reason. Otherwise it must keep running, log a message that begins with
// waits, and log the reason.
func checkStart(t *testing.T, databaseURL, waits, reason string) {
	t.Helper()
	if waits == "" {
		code, out, errs := run(t, "serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--database-url="+databaseURL)
		if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, reason) || strings.Contains(errs, "secret") {
			t.Errorf("exit %d, printed %q and %q", code, out, errs)
		}
		return
	}
	r := start(t, func(c *serveConfig) { c.databaseURL = databaseURL })
	if log := r.log.String(); !strings.Contains(log, `"msg":"`+waits) || !strings.Contains(log, reason) || strings.Contains(log, "secret") {
		t.Errorf("logged %s", log)
	}
	if status, _, _ := get(t, r.url+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", status)
	}
}

// If orgd's tables are not in the schema that search_path names, `server serve` and
// `server migrate up` say so in one line.
func TestStartWithoutItsTables(t *testing.T) {
	t.Parallel()
	apart := dbtest.NewEmpty(t)
	apart.Exec(t, "CREATE SCHEMA apart")
	succeed(t, "migrate", "up", "--database-url="+withParam(t, apart.URL, "search_path", "apart"))
	dropped := dbtest.New(t)
	dropped.Exec(t, "DROP TABLE orgs, org_members, schema_floor CASCADE")
	foreign := dbtest.NewEmpty(t)
	foreign.Exec(t, "CREATE TABLE orgd_migrations (version text)")
	for reason, databaseURL := range map[string]string{
		"orgd's tables are in the schema apart, but search_path resolves to public": apart.URL,
		"their tables are missing":                        dropped.URL,
		"the table public.orgd_migrations is not orgd's,": foreign.URL,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			checkStart(t, databaseURL, "", reason)
			code, out, errs := run(t, "migrate", "up", "--database-url="+databaseURL)
			if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, reason) {
				t.Errorf("migrate up: exit %d, printed %q and %q", code, out, errs)
			}
		})
	}
}

// With a wrong direct URL, the server exits at startup, although it could serve for a while
// without its listener.
func TestWrongDirectURLStopsTheServer(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/absent"
	code, _, errs := run(t, "serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--drain-delay=0s", "--database-url="+d.URL, "--db-direct-url="+u.String())
	if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "3D000") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A running server does not exit when its database disappears, even if PostgreSQL reports
// that the database does not exist.
func TestMissingDatabaseDoesNotStopTheServer(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	r.awaitLog(t, hearing, 1)
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	rename := func(from, to string) {
		mustExec(t, u.String(), `ALTER DATABASE "`+from+`" ALLOW_CONNECTIONS false`)
		mustExec(t, u.String(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+from+`'`)
		await(t, "the database is still in use", func() bool {
			return execAs(u.String(), `ALTER DATABASE "`+from+`" RENAME TO "`+to+`"`) == nil
		})
		mustExec(t, u.String(), `ALTER DATABASE "`+to+`" ALLOW_CONNECTIONS true`)
	}
	rename(name, name+"_away")
	awaitStatus(t, r.url+"/readyz", http.StatusServiceUnavailable)
	rename(name+"_away", name)
	awaitStatus(t, r.url+"/readyz", http.StatusOK)
	r.awaitLog(t, hearing, 2)
}

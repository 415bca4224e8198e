package db_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

// The class of a connection error says whether a retry can help.
func TestClassesOfConnectErrors(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for name, c := range map[string]struct {
		change func(*url.URL, url.Values)
		want   error
	}{
		"no such database":  {func(u *url.URL, _ url.Values) { u.Path = "/absent" }, db.ErrMisconfigured},
		"no such parameter": {func(_ *url.URL, q url.Values) { q.Set("absent", "1") }, db.ErrMisconfigured},
		"a wrong value":     {func(_ *url.URL, q url.Values) { q.Set("DateStyle", "absent") }, db.ErrMisconfigured},
		"no such role":      {func(u *url.URL, _ url.Values) { u.User = url.UserPassword("absent", "secret") }, db.ErrDenied},
		"nothing listens":   {func(u *url.URL, _ url.Values) { u.Host = "127.0.0.1:1" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := changeURL(t, d.URL, c.change)
			pool, err := db.Open(context.Background(), changed, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			_, migrateErr := db.MigrateUp(context.Background(), changed, fstest.MapFS{"00001_one.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}})
			for what, err := range map[string]error{"pool": ping(context.Background(), pool), "migration": migrateErr} {
				for _, class := range []error{db.ErrMisconfigured, db.ErrDenied} {
					if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, class) != (class == c.want) {
						t.Errorf("%s: errors.Is(%v, %v) is %v", what, err, class, errors.Is(err, class))
					}
				}
			}
		})
	}
}

// ping checks that the database answers.
func ping(ctx context.Context, pool *db.Pool) error {
	return pool.Read(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
}

func changeURL(t *testing.T, databaseURL string, change func(*url.URL, url.Values)) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	change(u, query)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // as libpq parses it
	return u.String()
}

// The dialer applies libpq's TCP parameters. They are not sent to PostgreSQL, which would
// reject them.
func TestParametersOfTCP(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	names := []string{"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
	given := changeURL(t, d.URL, func(_ *url.URL, q url.Values) {
		for _, name := range names {
			q.Set(name, "5")
		}
	})
	pool, err := db.Open(context.Background(), given, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := ping(context.Background(), pool); err != nil {
		t.Error(err)
	}
	for _, name := range names {
		for _, value := range []string{"x", "-1", ""} {
			err := db.CheckURL("DATABASE_URL", changeURL(t, d.URL, func(_ *url.URL, q url.Values) { q.Set(name, value) }))
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "whole number") {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
}

package http_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const radiology = `{"orgName":"Radiology","metadata":{"a":"b"}}`

func (a *api) retry(t *testing.T, count string, headers ...string) answer {
	t.Helper()
	return a.do(t, http.MethodPost, "/v1/orgs", radiology, append(headers, "X-Stainless-Retry-Count", count)...)
}

// A retry of an answered creation makes another organization, whatever its retry count:
// the count does not show whether the first attempt was answered.
func TestRetryOfAnAnsweredCreation(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	seen := map[string]bool{}
	for _, count := range []string{"0", "0", "1", "2", "10", "70000", "99999999999999999999", "x", "-1", "1.5", ""} {
		got := a.retry(t, count)
		o := got.organization(t, 201)
		if seen[o.OrgID] || got.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("retry count %q: the call got an earlier answer: %s", count, got.body)
		}
		seen[o.OrgID] = true
	}
}

// behind puts a handler in front of the server.
func (a *api) behind(t *testing.T, before func(http.ResponseWriter, *http.Request) http.ResponseWriter) {
	t.Helper()
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.server.Handler().ServeHTTP(before(w, r), r)
	}))
	t.Cleanup(listener.Close)
	a.url = listener.URL
}

// isReturnedOnce checks that the first retry gets the organization whose answer was lost,
// and that the second retry creates a new one.
func (a *api) isReturnedOnce(t *testing.T) {
	t.Helper()
	var made string
	if err := a.Pool.QueryRow(context.Background(), "SELECT 'org_' || replace(org_id::text, '-', '') FROM orgs").Scan(&made); err != nil {
		t.Fatal(err)
	}
	again := a.retry(t, "1")
	if o := again.organization(t, 201); o.OrgID != made || again.header.Get("Idempotency-Replayed") != "true" ||
		!strings.HasSuffix(again.header.Get("Location"), made) || again.header.Get("ETag") != `"1"` {
		t.Errorf("the retry got %v %s, not %s", again.header, again.body, made)
	}
	if next := a.retry(t, "1"); next.organization(t, 201).OrgID == made || next.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("the second retry got the same organization: %s", next.body)
	}
}

// The client disconnects before the answer is written.
func TestRetryAfterTheClientLeft(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	requests := make(chan context.Context, 10)
	a.behind(t, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		requests <- r.Context()
		return w
	})
	proceed := a.holdCreations(t)
	client, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	request := a.request(t, http.MethodPost, "/v1/orgs", strings.NewReader(radiology),
		"Authorization", "Bearer "+a.key, "Content-Type", "application/json", "X-Stainless-Retry-Count", "0")
	if err := request.Write(client); err != nil {
		t.Fatal(err)
	}
	first := <-requests
	a.awaitWaiting(t, 1)
	client.Close()
	<-first.Done()
	proceed()
	a.awaitLog(t, `"status":499`)
	a.isReturnedOnce(t)
}

// holdCreations blocks all creations until proceed is called.
func (a *api) holdCreations(t *testing.T) (proceed func()) {
	t.Helper()
	a.Exec(t, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$`)
	a.Exec(t, `CREATE TRIGGER hold BEFORE INSERT ON orgs FOR EACH ROW EXECUTE FUNCTION hold()`)
	tx, err := a.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	proceed = func() { _ = tx.Rollback(context.Background()) } // a second call does nothing
	t.Cleanup(proceed)
	if _, err := tx.Exec(context.Background(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
		t.Fatal(err)
	}
	return proceed
}

// unwritable is a connection that breaks before the answer is sent. Writes go to a buffer
// and succeed; flushing the buffer fails.
type unwritable struct{ http.ResponseWriter }

func (unwritable) Write(b []byte) (int, error) { return len(b), nil }

func (unwritable) FlushError() error { return io.ErrClosedPipe }

func (u unwritable) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestRetryAfterTheAnswerCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	first := true
	a.behind(t, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if first {
			first = false
			return unwritable{w}
		}
		return w
	})
	request := a.request(t, http.MethodPost, "/v1/orgs", strings.NewReader(radiology),
		"Authorization", "Bearer "+a.key, "Content-Type", "application/json", "X-Stainless-Retry-Count", "0")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		response.Body.Close() // the body is empty
	}
	a.isReturnedOnce(t)
}

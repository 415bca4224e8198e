package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// feedPage is a page of the feed.
type feedPage struct {
	Events []struct{ Type string }
	Cursor string
}

func (r *running) feed(t *testing.T, key, query string) (page feedPage) {
	t.Helper()
	status, _, body := get(t, r.url+"/v1/events"+query, key)
	if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	return page
}

func (r *running) createOrg(t *testing.T, key string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/orgs", strings.NewReader(`{"orgName":"Acme"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", response.StatusCode, body, err)
	}
}

// A notification of a change ends a wait, on the server that makes the change and on
// another one.
func TestWaitHearsOfChanges(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	unpolled := func(c *serveConfig) {
		remembering(d.URL)(c)
		c.pollEvery = time.Hour // only a notification can end a wait
	}
	here, there := start(t, unpolled), start(t, unpolled)
	here.awaitLog(t, hearing, 1)
	there.awaitLog(t, hearing, 1)
	for _, reader := range []*running{here, there} {
		name := map[*running]string{here: "the same server", there: "another server"}[reader]
		var delays, whole []time.Duration // since the response to the change, and since its request
		cursor := reader.feed(t, key, "?cursor=now").Cursor
		for range 100 {
			changed := make(chan [2]time.Time, 1)
			go func() {
				time.Sleep(5 * time.Millisecond) // by then the reader usually waits; otherwise no delay is measured
				sent := time.Now()
				here.createOrg(t, key)
				changed <- [2]time.Time{sent, time.Now()}
			}()
			page := reader.feed(t, key, "?wait=30&cursor="+cursor)
			now, change := time.Now(), <-changed
			whole, delays = append(whole, now.Sub(change[0])), append(delays, now.Sub(change[1]))
			if len(page.Events) != 1 {
				t.Fatalf("%s: %+v", name, page)
			}
			cursor = page.Cursor
		}
		slices.Sort(delays)
		slices.Sort(whole)
		t.Logf("%s: median %s, p99 %s after the response to the change; %s, %s after its request", name, delays[50], delays[98], whole[50], whole[98])
	}
	for _, r := range []*running{here, there} {
		// A change that is made before the request is read does not end a wait, so not every delay is counted.
		await(t, "the metrics do not count the waits", func() bool {
			_, _, metrics := get(t, r.adminURL+"/metrics", "")
			counted := regexp.MustCompile(`(?m)^orgd_feed_delay_seconds_count [1-9]\d*$`).Match(metrics)
			return counted && strings.Contains(string(metrics), "orgd_waiting_requests 0\n")
		})
	}
}

// A metric shows that a reader waits for an event that has no position yet.
func TestFeedLag(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	key := d.Key(t, account)
	r := start(t, func(c *serveConfig) {
		remembering(d.URL)(c)
		c.pollEvery = 10 * time.Millisecond
	})
	r.feed(t, key, "?cursor=now")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/events?cursor=now", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + key}, "Accept": {"text/event-stream"}}
	stream, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lag := func(pattern string) func() bool {
		return func() bool {
			_, _, metrics := get(t, r.adminURL+"/metrics", "")
			return regexp.MustCompile(`(?m)^orgd_feed_lag_seconds ` + pattern + `$`).Match(metrics)
		}
	}
	tx, err := d.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM feeds FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	d.Exec(t, "INSERT INTO events (account_id, type, request_id, occurred_at) VALUES ($1, 'account.resumed', 'r', now() - interval '1 hour')", account)
	await(t, "the metric does not show the lag", lag(`36\d\d(\.\d+)?`))
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the lag does not end", lag("0"))
}

// HAProxy does not end a wait that is longer than its timeouts.
func TestWaitBehindHAProxy(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	r := start(t, remembering(d.URL))
	url := startLoadBalancer(t, "haproxy", haproxy(t, strings.TrimPrefix(r.url, "http://"),
		"timeout server 20s", "timeout server 1s", "timeout client 20s", "timeout client 1s"), "-f", "%CONFIG%")
	if url == "" {
		return
	}
	awaitStatus(t, url+"/livez", http.StatusOK)
	begun := time.Now()
	page := (&running{url: url}).feed(t, key, "?cursor=now&wait=3")
	if took := time.Since(begun); len(page.Events) != 0 || took < 3*time.Second {
		t.Errorf("%+v after %s", page, took)
	}
}

// A thousand readers of one account wait, and all get a change. They hold little memory.
func TestThousandReaders(t *testing.T) { //nolint:paralleltest // docs/performance.md has the times that it logs
	const readers = 1000
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	p := startProgram(t, buildServer(t), d.URL, "ORGD_RATE_LIMIT=0", "ORGD_ADMIN_ADDR=127.0.0.1:0")
	r := &running{url: p.url}
	cursor := r.feed(t, key, "?cursor=now").Cursor
	waiting := func() string {
		_, _, metrics := get(t, p.adminURL+"/metrics", "")
		return string(regexp.MustCompile(`(?m)^orgd_waiting_requests .*`).Find(metrics))
	}
	waiting() // the first scrape takes memory
	before := residentMiB(t, p, "VmRSS")
	request := fmt.Sprintf("GET /v1/events?wait=30&cursor=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", cursor, key)
	results := make(chan time.Time, readers)
	for range readers {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			results <- time.Now()
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || !strings.Contains(string(body), "org.created") {
				t.Errorf("%s, %v", body, err)
			}
		}()
		time.Sleep(2 * time.Millisecond) // a burst would exceed the limits on requests in flight
	}
	await(t, "not all readers wait", func() bool { return waiting() == fmt.Sprint("orgd_waiting_requests ", readers) })
	more := residentMiB(t, p, "VmRSS") - before
	r.createOrg(t, key)
	changed := time.Now()
	var delays []time.Duration
	for range readers {
		delays = append(delays, (<-results).Sub(changed))
	}
	slices.Sort(delays)
	t.Logf("%.1f MiB more resident, median delay %s, p99 %s, last %s", more, delays[readers/2], delays[readers*99/100], delays[readers-1])
	if more > 40 {
		t.Errorf("%.1f MiB more resident", more)
	}
}

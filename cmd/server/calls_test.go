package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// call is a change that a client retries until it succeeds: with an idempotency key, or
// like the official clients. Its value is unique and is also the idempotency key.
type call struct {
	path, field, value string
	keyed              bool
	method             string // "" is POST
}

func creation(name string, keyed bool) call {
	return call{path: "/v1/orgs", field: "orgName", value: name, keyed: keyed}
}

// answer is a server's answer to a call.
type answer struct {
	status      int
	retryAfter  string
	replayed    bool
	text        string
	OrgID, Code string
}

// send sends the call. before is the number of earlier attempts.
func (c call) send(server, apiKey string, before int) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	body := "{}"
	if c.field != "" {
		body = fmt.Sprintf(`{%q: %q}`, c.field, c.value)
	}
	request, err := http.NewRequestWithContext(ctx, cmp.Or(c.method, http.MethodPost), server+c.path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Stainless-Retry-Count", strconv.Itoa(before))
	if c.keyed {
		request.Header.Set("Idempotency-Key", strconv.Quote(c.value))
	}
	// On a reused connection, the transport itself would retry the call.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	return readAnswer(response)
}

func readAnswer(response *http.Response) (answer, error) {
	a := answer{
		status:     response.StatusCode,
		retryAfter: response.Header.Get("Retry-After"),
		replayed:   response.Header.Get("Idempotency-Replayed") == "true",
	}
	var text json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&text); err != nil {
		return answer{}, err
	}
	a.text = string(text)
	return a, json.Unmarshal(text, &a)
}

func (a answer) succeeded() bool { return a.status < 300 }

// mayBeRepeated reports whether the answer tells the client to retry. While the outcome
// of a call is unknown, the client must get no other answer.
func (a answer) mayBeRepeated() bool {
	seconds, err := strconv.Atoi(a.retryAfter)
	later := err == nil && seconds >= 1 && seconds <= 60
	return later && (a.status == http.StatusServiceUnavailable || a.status == http.StatusConflict && a.Code == "idempotency_in_progress")
}

// journal records the calls of an account's clients and their answers.
type journal struct {
	apiKey string

	mu       sync.Mutex
	answers  map[call]answer // first success of each call
	rejected int             // number of answers that told the client to retry
}

func newJournal(apiKey string) *journal { return &journal{apiKey: apiKey, answers: map[call]answer{}} }

// note records the first answer to a call, and compares later answers with it.
func (j *journal) note(t *testing.T, c call, a answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	first, again := j.answers[c]
	if !again {
		j.answers[c] = a
		return
	}
	if a.status != first.status || a.text != first.text || !a.replayed {
		t.Errorf("%v: the first answer was %+v, a later one is %+v", c, first, a)
	}
}

func (j *journal) done() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.answers)
}

func (j *journal) awaitMore(t *testing.T, n int) {
	t.Helper()
	enough := j.done() + n
	await(t, "no more calls succeed", func() bool { return j.done() >= enough })
}

// insist retries the call until it succeeds, without waiting for Retry-After. It checks
// that each rejection tells the client to retry.
func (j *journal) insist(t *testing.T, server string, c call, before int) {
	for deadline := time.Now().Add(time.Minute); ; before++ {
		a, err := c.send(server, j.apiKey, before)
		switch {
		case err == nil && a.succeeded():
			j.note(t, c, a)
			return
		case err != nil || !a.mayBeRepeated():
			t.Errorf("%v, sent %d times before: %d, Retry-After %q, %s, %v", c, before, a.status, a.retryAfter, a.text, err)
			return
		case t.Failed(): // PostgreSQL may never come back
			return
		case time.Now().After(deadline):
			t.Errorf("%v never succeeds: %d %s", c, a.status, a.text)
			return
		}
		j.mu.Lock()
		j.rejected++
		j.mu.Unlock()
		time.Sleep(20 * time.Millisecond) // shorter than Retry-After
	}
}

// clients starts concurrent clients. Each makes one call after another while ask returns
// true. calls waits for the clients and returns all their calls.
func clients(t *testing.T, next func(client, n int) call, ask func(call) bool) (calls func() []call) {
	var each [8][]call
	var working sync.WaitGroup
	for client := range each {
		working.Go(func() {
			for goOn := true; goOn && !t.Failed(); {
				c := next(client, len(each[client]))
				each[client] = append(each[client], c)
				goOn = ask(c)
			}
		})
	}
	t.Cleanup(working.Wait)
	return func() []call { working.Wait(); return slices.Concat(each[:]...) }
}

// check compares the database with the answers: each creation made exactly one
// organization, the one in its answer, and one event.
func (j *journal) check(t *testing.T, d *dbtest.DB) {
	t.Helper()
	stored, unheard := organizations(t, d), 0
	for c, a := range j.answers {
		if a.replayed {
			unheard++
		}
		if c.field != "orgName" {
			continue
		}
		if ids := stored[c.value]; a.status != http.StatusCreated || len(ids) != 1 || ids[0] != a.OrgID {
			t.Errorf("%v: the answer is %d %s, the stored organizations are %v", c, a.status, a.OrgID, ids)
		}
		delete(stored, c.value)
	}
	t.Logf("%d calls succeeded, %d of them after a lost answer; %d answers told the client to retry", len(j.answers), unheard, j.rejected)
	for name, ids := range stored {
		t.Errorf("no call created %s, %v", name, ids)
	}
	if n := count(t, d, `SELECT count(*) FROM (
		SELECT FROM orgs LEFT JOIN events ON events.org_id = orgs.org_id AND type = 'org.created'
		GROUP BY orgs.org_id HAVING count(type) <> 1) AS wrong`); n != 0 {
		t.Errorf("%d organizations do not have exactly one org.created event", n)
	}
	if n := count(t, d, "SELECT count(*) FROM events WHERE type = 'org.created' AND org_id NOT IN (SELECT org_id FROM orgs)"); n != 0 {
		t.Errorf("%d creation events belong to no organization", n)
	}
}

// organizations returns the ids of the organizations, by name.
func organizations(t *testing.T, d *dbtest.DB) map[string][]string {
	t.Helper()
	rows, err := d.Pool.Query(context.Background(), "SELECT org_name, 'org_' || replace(org_id::text, '-', '') FROM orgs")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ids := map[string][]string{}
	for rows.Next() {
		var name, id string
		if err := rows.Scan(&name, &id); err != nil {
			t.Fatal(err)
		}
		ids[name] = append(ids[name], id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// The consumers of docs/keep-in-step.md are killed at random moments while clients change
// everything and old events are deleted. In the end, each consumer's copy matches what the
// API lists.
func TestKilledConsumers(t *testing.T) {
	t.Parallel()
	for name, program := range map[string]func(*testing.T) []string{"Go": goConsumer, "TypeScript": nodeConsumer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := program(t)
			if args == nil {
				return
			}
			d := dbtest.New(t)
			account := d.Account(t)
			key := d.Key(t, account)
			r := start(t, func(c *serveConfig) { remembering(d.URL)(c); c.eraseEvery = 100 * time.Millisecond })
			c := consumer{args: args, dir: t.TempDir(), env: []string{"ORGD_URL=" + r.url, "ORGD_API_KEY=" + key}}
			stop := write(t, r, key)
			defer stop()

			const kills = 20
			for n := range kills {
				p := c.start(t)
				if n%2 == 0 {
					c.awaitPage(t)
				}
				time.Sleep(rand.N(400 * time.Millisecond)) // until a random moment
				p.kill()
				if n%5 == 0 {
					importSome(t, d, account, n)
				}
				if n == kills/2 {
					deleteEvents(t, d, r, key, account)
				}
			}
			c.start(t)
			c.awaitPage(t)
			stop()
			if t.Failed() {
				return
			}
			want := r.lists(t, key)
			if len(want) < 20 {
				t.Fatalf("only %d organizations", len(want))
			}
			var diff string
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // poll
				if diff = cmp.Diff(want, c.copied(t)); diff == "" || time.Now().After(deadline) {
					break
				}
			}
			if diff != "" {
				t.Errorf("the consumer's copy differs (-lists +consumer):\n%s", diff)
			}
			begins := strings.Count(c.printed.String(), "reading the lists")
			t.Logf("%d events, %d organizations; the consumer read the lists %d times", r.lastEvent(t, key).Position, len(want), begins)
			if begins < 2 || t.Failed() {
				t.Errorf("the consumer printed: %s", c.printed.String())
			}
		})
	}
}

func goConsumer(t *testing.T) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "consumer")
	if out, err := exec.Command("go", "build", "-o", program, "../../docs/examples/consumer").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return []string{program}
}

// nodeConsumer returns nil if there is no Node.js that runs TypeScript.
func nodeConsumer(t *testing.T) []string {
	t.Helper()
	program, err := filepath.Abs("../../docs/examples/consumer.mts")
	if err != nil {
		t.Fatal(err)
	}
	const typed = `process.exit(process.features.typescript ? 0 : 1)`
	if err := exec.Command("node", "-e", typed).Run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: NOT TESTED: no node that runs TypeScript (22.18 or newer): %v\n", t.Name(), err)
		return nil
	}
	return []string{"node", program}
}

type consumer struct {
	args, env []string
	dir       string // its working directory
	printed   safeBuffer
}

func (c *consumer) start(t *testing.T) *process {
	t.Helper()
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &c.printed, &c.printed
	p := &process{}
	p.start(t, cmd)
	return p
}

// awaitPage waits until the consumer has applied another page of events, so it is no longer
// reading the lists.
func (c *consumer) awaitPage(t *testing.T) {
	t.Helper()
	for range 2 { // the first change may come from the consumer's start
		before := c.cursor(t)
		await(t, "the consumer does not continue: "+c.printed.String(), func() bool { return c.cursor(t) != before })
	}
}

// cursor returns the stored cursor, or "" if there is none.
func (c *consumer) cursor(t *testing.T) (cursor string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "copy.json"))
	if os.IsNotExist(err) {
		return ""
	}
	var stored struct{ Cursor string }
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil {
		t.Fatalf("copy.json: %v", err)
	}
	return stored.Cursor
}

// copiedOrg is an organization as the API lists it and as a consumer stores it. The
// consumers write the API's field names, the Go consumer in a different case.
type copiedOrg struct {
	OrgID, OrgName, ExternalID, CreatedByAPIKeyID, CreatedByUserID string
	IsActive                                                       bool
	Revision, UserCount                                            int
	CreatedAt, UpdatedAt                                           time.Time
	Metadata                                                       map[string]string
	Members                                                        map[string]copiedMember // by addedAt
}

type copiedMember struct {
	UserID string
	Roles  []string
}

func (o *copiedOrg) normalize() {
	if len(o.Metadata) == 0 {
		o.Metadata = nil
	}
	for addedAt, m := range o.Members {
		if len(m.Roles) == 0 {
			m.Roles = nil
		}
		o.Members[addedAt] = m
	}
}

// copied returns what the consumer has stored, or nil if it has stored nothing.
func (c *consumer) copied(t *testing.T) map[string]*copiedOrg {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "copy.json"))
	if os.IsNotExist(err) {
		return nil
	}
	var stored struct{ Orgs map[string]*copiedOrg }
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil {
		t.Fatalf("copy.json: %v", err)
	}
	for _, o := range stored.Orgs {
		// Go writes fractions without trailing zeros.
		members := map[string]copiedMember{}
		for addedAt, m := range o.Members {
			at, err := time.Parse(time.RFC3339, addedAt)
			if err != nil {
				t.Fatal(err)
			}
			members[at.Format(time.RFC3339Nano)] = m
		}
		o.Members = members
		o.normalize()
	}
	return stored.Orgs
}

// lists returns what the API lists.
func (r *running) lists(t *testing.T, key string) map[string]*copiedOrg {
	t.Helper()
	orgs := map[string]*copiedOrg{}
	for id := range walk(t, r.url, key) {
		o := &copiedOrg{}
		r.read(t, key, "/v1/orgs/"+id, o)
		var page struct {
			HasMore bool
			Users   []struct {
				copiedMember
				AddedAt time.Time
			}
		}
		if r.read(t, key, "/v1/orgs/"+id+"/users?limit=100", &page); page.HasMore {
			t.Fatal("more than 100 members")
		}
		o.Members = map[string]copiedMember{}
		for _, m := range page.Users {
			o.Members[m.AddedAt.Format(time.RFC3339Nano)] = m.copiedMember
		}
		o.normalize()
		orgs[id] = o
	}
	return orgs
}

func (r *running) read(t *testing.T, key, path string, v any) {
	t.Helper()
	status, _, body := get(t, r.url+path, key)
	if err := json.Unmarshal(body, v); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s: %v", path, status, body, err)
	}
}

// importSome imports organizations with users of the other writers.
func importSome(t *testing.T, d *dbtest.DB, account uuid.UUID, n int) {
	t.Helper()
	var lines strings.Builder
	for i := range 10 {
		fmt.Fprintf(&lines, `{"orgName":"Imported","externalId":"import/%d/%d","createdAt":"2024-03-01T09:30:00.123Z","isActive":%t,"metadata":{"a":"%d"},"createdByUserId":"auth0|%[2]d",`+
			`"members":[{"userId":"auth0|%[2]d","addedAt":"2024-03-01T09:30:00.123Z","roles":["r1"]},{"userId":"auth0|12"}]}`+"\n", n, i, i%2 == 0, i)
	}
	if code, out, errs := importText(t, d, account, lines.String()); code != 0 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// write starts clients that make random changes until stop is called. stop returns when
// all erasures have finished.
func write(t *testing.T, r *running, key string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for n := range 4 {
		working.Go(func() {
			w := writer{url: r.url, key: key, n: n}
			for ctx.Err() == nil && !t.Failed() {
				if err := w.change(); err != nil {
					t.Error(err)
				}
				time.Sleep(rand.N(10 * time.Millisecond)) // leaves the CPU to the consumers
			}
			for _, user := range w.erased {
				for status := 0; status != http.StatusNoContent && !t.Failed(); time.Sleep(10 * time.Millisecond) { // poll
					var err error
					if status, _, err = w.send(http.MethodDelete, "/v1/users/"+user, ""); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); working.Wait() })
}

// writer is a client that changes its own organizations.
type writer struct {
	url, key     string
	n, made      int
	orgs, erased []string // paths of organizations, percent-encoded users
}

var orgIDs = regexp.MustCompile(`org_[0-9a-f]{32}`)

// change makes one random change. All users are members of organizations of all writers.
func (w *writer) change() error {
	if len(w.orgs) < 8 || len(w.orgs) < 16 && rand.N(8) == 0 {
		w.made++
		body := fmt.Sprintf(`{"orgName": "Org %d", "externalId": "%d/%d", "metadata": {"a": "1"}}`, w.made, w.n, w.made)
		status, answer, err := w.send(http.MethodPost, "/v1/orgs", body)
		if err != nil || status != http.StatusCreated {
			return fmt.Errorf("%d %s: %w", status, answer, err)
		}
		w.orgs = append(w.orgs, "/v1/orgs/"+orgIDs.FindString(answer))
		return nil
	}
	path := w.orgs[rand.N(len(w.orgs))]
	user := fmt.Sprintf("auth0|%d", rand.N(12))
	var status int
	var answer string
	var err error
	switch rand.N(12) {
	case 0:
		status, answer, err = w.send(http.MethodPatch, path, `{"orgName": "Renamed", "externalId": null}`)
	case 1:
		status, answer, err = w.send(http.MethodPatch, path+"/metadata", fmt.Sprintf(`{"a": null, "b": "%d"}`, rand.N(100)))
	case 2:
		status, answer, err = w.send(http.MethodPatch, path, `{"metadata": {}}`)
	case 3:
		status, answer, err = w.send(http.MethodPost, path+"/deactivate", "")
	case 4, 5:
		status, answer, err = w.send(http.MethodPost, path+"/reactivate", "")
	case 6:
		if status, answer, err = w.send(http.MethodDelete, path, ""); status == http.StatusNoContent {
			w.orgs = remove(w.orgs, path)
		}
	case 7:
		status, answer, err = w.send(http.MethodDelete, path+"/users", fmt.Sprintf(`{"userId": %q}`, user))
	case 8:
		if rand.N(3) == 0 {
			user = url.PathEscape(user)
			w.erased = append(w.erased, user)
			status, answer, err = w.send(http.MethodDelete, "/v1/users/"+user, "")
		}
	default:
		body := fmt.Sprintf(`{"add": [{"userId": %q, "roles": ["r%d"]}, {"userId": "auth0|%d"}]}`, user, rand.N(3), 12+rand.N(12))
		status, answer, err = w.send(http.MethodPatch, path+"/users", body)
	}
	if err != nil || status >= 300 && status != http.StatusConflict {
		return fmt.Errorf("%d %s: %w", status, answer, err)
	}
	return nil
}

func remove(from []string, s string) (rest []string) {
	for _, other := range from {
		if other != s {
			rest = append(rest, other)
		}
	}
	return rest
}

func (w *writer) send(method, path, body string) (int, string, error) {
	request, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+w.key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Orgd-User", "auth0|1")
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

type lastEvent struct {
	EventID  string
	Position int64
}

// lastEvent walks the feed to its end.
func (r *running) lastEvent(t *testing.T, key string) (last lastEvent) {
	t.Helper()
	for cursor, more := "", true; more; {
		var page struct {
			HasMore bool
			Cursor  string
			Events  []lastEvent
		}
		r.read(t, key, "/v1/events?limit=100"+cursor, &page)
		if len(page.Events) > 0 {
			last = page.Events[len(page.Events)-1]
		}
		cursor, more = "&cursor="+page.Cursor, page.HasMore
	}
	return last
}

// deleteEvents waits until clients have made further changes, and then deletes all events
// as if they were old. The cursors of consumers that have not read them expire.
func deleteEvents(t *testing.T, d *dbtest.DB, r *running, key string, account uuid.UUID) {
	t.Helper()
	first := r.lastEvent(t, key)
	last := first
	await(t, "the clients change nothing", func() bool {
		last = r.lastEvent(t, key)
		return last.Position > first.Position
	})
	mark, err := hex.DecodeString(strings.TrimPrefix(last.EventID, "evt_"))
	if err != nil {
		t.Fatal(err)
	}
	d.Exec(t, "UPDATE feeds SET removed_position = $2, removed_mark = $3 WHERE account_id = $1", account, last.Position, mark)
	// Lock the rows in the same order as erasures do, to avoid a deadlock.
	d.Exec(t, `
WITH held AS MATERIALIZED (SELECT id FROM events WHERE account_id = $1 AND position <= $2 ORDER BY id FOR UPDATE)
DELETE FROM events WHERE account_id = $1 AND id IN (SELECT id FROM held)`, account, last.Position)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// maxResidentMiB is the bound that docs/operating.md promises.
const maxResidentMiB = 200

// One account requests many large pages without reading them, sends many large bodies,
// and starts many bodies that it does not finish. The server still serves another
// account, and its memory stays below maxResidentMiB. The test is not parallel: the
// clients send 1 GiB, which would slow down tests that check times.
func TestMemoryHasABound(t *testing.T) { //nolint:paralleltest // see above
	program := buildServer(t)
	for name, variables := range map[string][]string{
		"with GOMEMLIMIT":    {"GOMEMLIMIT=230MiB"},
		"without GOMEMLIMIT": nil,
	} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.New(t)
			greedy, other := d.Account(t), d.Account(t)
			keys := make([]string, 10)
			for i := range keys {
				keys[i] = d.Key(t, greedy)
			}
			storeLargeOrgs(t, d, greedy, 100)
			p := startProgram(t, program, d.URL, variables...)
			bystander := newBystander(p.url, d.Key(t, other))
			for _, a := range attacks(oneOf(t, d, greedy)) {
				rejected, worst := bystander.during(t, func() { a.run(t, p.url, keys) })
				peak := residentMiB(t, p, "VmHWM")
				t.Logf("%s: at most %.0f MiB resident; the slowest answer to the other account took %s", a.what, peak, worst)
				if peak > maxResidentMiB || rejected > 0 {
					t.Errorf("%s: %.0f MiB resident, %d requests of the other account rejected", a.what, peak, rejected)
				}
			}
		})
	}
}

// attack is a number of concurrent requests whose answers are not read.
type attack struct {
	what  string
	call  string // method and path
	size  int    // Content-Length
	body  string // the part of the body that is sent
	count int
}

// attackLasts is longer than the server waits for a client that does not read the answer.
const attackLasts = 6 * time.Second

func attacks(org string) []attack {
	change, batch := largeChange(), largeBatch()
	return []attack{
		{"200 large pages that are not read", "GET /v1/orgs?limit=100", 0, "", 200},
		{"200 large changes", "PATCH /v1/orgs/org_" + org, len(change), change, 200},
		{"200 large batches", "POST /v1/orgs/batch", len(batch), batch, 200},
		{"1,000 bodies that do not start", "POST /v1/orgs", 1 << 20, "", 1000},
		{"1,000 bodies without the last byte", "POST /v1/orgs", 1 << 20, strings.Repeat(" ", 1<<20-1), 1000},
	}
}

func (a attack) run(t *testing.T, url string, keys []string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range a.count {
		all.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if err := errors.Join(conn.(*net.TCPConn).SetReadBuffer(4<<10), conn.SetDeadline(time.Now().Add(30*time.Second))); err != nil {
				t.Error(err)
				return
			}
			head := fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nIdempotency-Key: %d\r\n\r\n",
				a.call, keys[i%len(keys)], a.size, i)
			if _, err := io.WriteString(conn, head); err != nil {
				t.Error(err)
			}
			end := time.Now().Add(attackLasts)
			if err := conn.SetDeadline(end); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(conn, a.body) // fails if the server rejects the request early
			time.Sleep(time.Until(end))
		})
	}
	all.Wait()
}

// buildServer builds the server without the race detector, which needs several times as
// much memory.
func buildServer(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

func startProgram(t *testing.T, program, databaseURL string, variables ...string) *process {
	t.Helper()
	p := &process{}
	cmd := exec.Command(program, "serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--log-level=info", "--public-url=")
	cmd.Env = append([]string{"DATABASE_URL=" + databaseURL}, variables...)
	cmd.Stdout, cmd.Stderr = &p.out, &p.errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Process = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // fails, because the process was killed
	})
	p.awaitServing(t)
	return p
}

// storeLargeOrgs stores organizations with 200 KB of metadata each.
func storeLargeOrgs(t *testing.T, d *dbtest.DB, account uuid.UUID, count int) {
	t.Helper()
	d.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, created_at)
SELECT $1, gen_random_uuid(), 'Large', 'large',
       (SELECT jsonb_object_agg('key ' || k, (SELECT string_agg(chr(131072 + (random() * 40000)::int), '') FROM generate_series(1, 1000) AS c WHERE k > 0 AND i > 0)) FROM generate_series(1, 50) AS k),
       now() - i * interval '1 second'
FROM generate_series(1, $2) AS i`, account, count)
}

// largeChange returns the body of an update: 1 MiB, with as much metadata as an
// organization may have.
func largeChange() string {
	pairs := make([]string, 50)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`"%d":"%s"`, i, strings.Repeat(`\ud83d\ude00`, 1000))
	}
	body := `{"metadata":{` + strings.Join(pairs, ",") + "}}"
	return body + strings.Repeat(" ", 1<<20-len(body))
}

// largeBatch returns the body of a batch, of almost 1 MiB, in characters that some encodings
// of JSON make longer.
func largeBatch() string {
	bodies := make([]string, orgs.MaxBatch)
	for i := range bodies {
		pairs := make([]string, 10)
		for k := range pairs {
			pairs[k] = fmt.Sprintf(`"%d":"%s"`, k, strings.Repeat("< ", 250))
		}
		bodies[i] = `{"orgName":"Large","metadata":{` + strings.Join(pairs, ",") + "}}"
	}
	return `{"organizations":[` + strings.Join(bodies, ",") + "]}"
}

func oneOf(t *testing.T, d *dbtest.DB, account uuid.UUID) (org string) {
	t.Helper()
	err := d.Pool.QueryRow(context.Background(), "SELECT replace(org_id::text, '-', '') FROM orgs WHERE account_id = $1 LIMIT 1", account).Scan(&org)
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// bystander is a client of another account. It sends normal requests during an attack.
type bystander struct {
	url, key string
	client   *http.Client
}

func newBystander(url, key string) *bystander {
	return &bystander{url: url, key: key, client: &http.Client{Timeout: 20 * time.Second}}
}

// during lists and creates organizations while attack runs. It returns the number of
// rejections and the time of the slowest answer.
func (b *bystander) during(t *testing.T, attack func()) (rejected int, worst time.Duration) {
	t.Helper()
	done := make(chan struct{})
	go func() { attack(); close(done) }()
	for i := 0; ; i++ {
		select {
		case <-done:
			return rejected, worst
		case <-time.After(50 * time.Millisecond):
		}
		begun := time.Now()
		if status := b.call(t, i); status != http.StatusOK && status != http.StatusCreated {
			rejected++
		}
		worst = max(worst, time.Since(begun))
	}
}

func (b *bystander) call(t *testing.T, i int) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, b.url+"/v1/orgs", nil)
	if i%2 == 1 {
		request, err = http.NewRequest(http.MethodPost, b.url+"/v1/orgs", strings.NewReader(`{"orgName":"x"}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+b.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

// residentMiB reads a field of /proc/PID/status, such as "VmHWM:     30012 kB". Only
// Linux has this file.
func residentMiB(t *testing.T, p *process, field string) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB$`).FindSubmatch(status)
	if match == nil {
		t.Fatalf("no %s in %s", field, status)
	}
	kibibytes, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return kibibytes / 1024
}

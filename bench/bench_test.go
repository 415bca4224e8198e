package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

const wrkPrinted = `Running 5s test @ http://127.0.0.1:41045/v1/orgs?limit=100
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.55ms    1.25ms  19.05ms   87.15%
    Req/Sec     4.55k   231.10     4.96k    70.00%
  Latency Distribution
     50%  950.00us
     75%    3.87ms
     90%    4.88ms
     99%    1.05s
  22626 requests in 5.00s, 520.11MB read
Requests/sec:   4523.97
Transfer/sec:    103.99MB
`

func TestParseWrk(t *testing.T) {
	t.Parallel()
	got, err := parseWrk(wrkPrinted)
	if err != nil {
		t.Fatal(err)
	}
	want := load{perSecond: 4523.97, p50: 950 * time.Microsecond, p99: 1050 * time.Millisecond}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseWrkRejects(t *testing.T) {
	t.Parallel()
	for name, printed := range map[string]string{
		"other statuses": wrkPrinted + "  Non-2xx or 3xx responses: 1\n",
		"lost requests":  wrkPrinted + "  Socket errors: connect 0, read 1, write 0, timeout 0\n",
		"no rate":        strings.Replace(wrkPrinted, "Requests/sec", "", 1),
		"no percentile":  strings.Replace(wrkPrinted, "99%", "", 1),
		"nothing":        "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := parseWrk(printed); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

const pgbenchPrinted = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: create.sql
scaling factor: 1
query mode: prepared
number of clients: 16
number of threads: 1
maximum number of tries: 1
duration: 3 s
number of transactions actually processed: 5421
number of failed transactions: 0 (0.000%)
latency average = 8.850 ms
initial connection time = 21.123 ms
tps = 1808.491234 (without initial connection time)
`

func TestParsePgbench(t *testing.T) {
	t.Parallel()
	for name, printed := range map[string]string{
		"version 15": pgbenchPrinted,
		"version 14": strings.Replace(pgbenchPrinted, "number of failed transactions: 0 (0.000%)\n", "", 1),
	} {
		if got, err := parsePgbench(printed); got != 1808.491234 || err != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for name, printed := range map[string]string{
		"failures": strings.Replace(pgbenchPrinted, "transactions: 0 (", "transactions: 10 (", 1),
		"no rate":  strings.Replace(pgbenchPrinted, "tps", "", 1),
		"nothing":  "",
	} {
		if got, err := parsePgbench(printed); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func TestForPgbench(t *testing.T) {
	t.Parallel()
	o := operation{params: []string{":a", ":b::text", "3", "4", "5", "6", "7", "8", "9", ":ten"}}
	const sql = "SELECT $1, $2, $10::bigint, $1"
	if got, err := o.forPgbench(sql); got != "SELECT :a, :b::text, :ten::bigint, :a" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, sql := range []string{"SELECT 1", "SELECT $9", "SELECT $11", "SELECT $99999999999999999999"} {
		if got, err := o.forPgbench(sql); err == nil {
			t.Errorf("%s: got %q, want an error", sql, got)
		}
	}
}

// pgbench runs the statements with as many parameters as their functions have. Of several
// versions of a function, orgd calls the newest one.
func TestOperationsHaveAllParameters(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	checked := 0
	for _, o := range operations {
		if !strings.HasSuffix(o.calls, "_") {
			continue
		}
		checked++
		var function string
		var parameters int
		err := d.Conns.Read(t.Context(), func(ctx context.Context, q db.Querier) error {
			return q.QueryRow(ctx, "SELECT proname, pronargs FROM pg_proc WHERE proname ~ ('^' || $1 || '[0-9]+$') ORDER BY length(proname) DESC, proname DESC LIMIT 1", o.calls).
				Scan(&function, &parameters)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(o.params) != parameters {
			t.Errorf("%s: %d parameters, but %s has %d", o.name, len(o.params), function, parameters)
		}
	}
	if checked != 2 {
		t.Errorf("%d functions were checked, want 2", checked)
	}
}

func TestPgbenchScript(t *testing.T) {
	t.Parallel()
	targets := []target{{1, -1}, {2, -2}, {3, -3}}
	for statement, want := range map[string]string{
		"SELECT :nothing": "SELECT :nothing;\n",
		"SELECT :low": "\\set target random(0, 2)\n" +
			"\\set low case when :target < 1 then -1 else case when :target < 2 then -2 else -3 end end\n" +
			"SELECT :low;\n",
	} {
		if got := pgbenchScript(targets, statement); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTargetIsAnID(t *testing.T) {
	t.Parallel()
	id := target{0x0197a0b1c2d37e4f, -0x7fffffffffffffff}.String()
	if want := "org_0197a0b1c2d37e4f8000000000000001"; id != want {
		t.Errorf("got %s, want %s", id, want)
	}
}

func TestLuaText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":             "nil",
		"/v1/orgs":     "'/v1/orgs'",
		"/{id}/x":      "'/' .. id .. '/x'",
		`{"a":"b{n}"}`: `'{"a":"b' .. n .. '"}'`,
	} {
		if got := luaText(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestCombine(t *testing.T) {
	t.Parallel()
	all := combine(filters("usr_1", "usr_2"))
	seen := map[string]bool{}
	for _, c := range all {
		seen[c.query.Encode()] = true
	}
	if want := 5 * 3 * 4 * 6; len(all) != want || len(seen) != want {
		t.Errorf("%d combinations, %d of them different, want %d", len(all), len(seen), want)
	}
	last := all[len(all)-1]
	const what = "name absent, inactive, user absent, metadata absent"
	if all[0].what != "" || last.what != what || len(last.query) != 4 {
		t.Errorf("the first is %v, the last %v", all[0], last)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	odd, even := []float64{3, 1, 2}, []float64{4, 1, 3, 2}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"median of three", median(odd), 2},
		{"median of four", median(even), 2.5},
		{"least", quantile(even, 0), 1},
		{"half", quantile(even, .5), 2},
		{"99%", quantile(even, .99), 4},
		{"greatest", quantile(even, 1), 4},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestFindAddrs(t *testing.T) {
	t.Parallel()
	const serving = `{"level":"INFO","msg":"serving","addr":"127.0.0.1:41045","adminAddr":"127.0.0.1:1"}` + "\n"
	for log, want := range map[string]string{
		"":                                       "",
		serving[:30]:                             "", // the line is incomplete
		serving:                                  "127.0.0.1:41045",
		`{"msg":"no database"}` + "\n" + serving: "127.0.0.1:41045",
	} {
		if got, admin := findAddrs([]byte(log)); got != want || (admin != "") != (want != "") {
			t.Errorf("%q: got %q, %q, want %q", log, got, admin, want)
		}
	}
}

func TestMebibytes(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tserver\nVmHWM:\t   30720 kB\nVmRSS:\t    1024 kB\n")
	got, err := mebibytes(status, "VmHWM")
	if err != nil || got != 30 {
		t.Errorf("got %v, %v, want 30", got, err)
	}
	if _, err := mebibytes(status, "VmSwap"); err == nil {
		t.Error("a missing field: no error")
	}
}

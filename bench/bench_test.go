package main

import (
	"strings"
	"testing"
	"time"
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

func TestParseWrkRefuses(t *testing.T) {
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

func TestFindAddr(t *testing.T) {
	t.Parallel()
	const serving = `{"level":"INFO","msg":"serving","addr":"127.0.0.1:41045","adminAddr":"127.0.0.1:1"}` + "\n"
	for log, want := range map[string]string{
		"":                                       "",
		serving[:30]:                             "", // not yet written to its end
		serving:                                  "127.0.0.1:41045",
		`{"msg":"no database"}` + "\n" + serving: "127.0.0.1:41045",
	} {
		if got := findAddr([]byte(log)); got != want {
			t.Errorf("%q: got %q, want %q", log, got, want)
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
		t.Error("a field that is not there: no error")
	}
}

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// api is a minimal fake of orgd for the load. Every nth call fails, if n is not 0.
func api(t *testing.T, n int64, status int, contentType string) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := calls.Add(1)
		answer := map[string]any{"orgId": "org_1", "organizations": []any{}}
		if strings.HasSuffix(r.URL.Path, "/batch") {
			answer["organizations"] = make([]struct{}, batchSize)
		}
		if n != 0 && call%n == 0 {
			const detail = "Try later."
			answer = map[string]any{
				"type": "/problems/unavailable", "title": "Unavailable", "status": status, "detail": detail,
				"message": detail, "code": "unavailable", "requestId": r.Header.Get("X-Request-Id"),
			}
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

// runLoad returns an error if any call fails.
func TestLoadCommand(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		failing int64
		status  int
		fails   bool
	}{
		"every call succeeds":   {0, 0, false},
		"one call in 50 is 503": {50, http.StatusServiceUnavailable, true},
		"one call in 50 is 404": {50, http.StatusNotFound, true},
		"one call in 50 is 429": {50, http.StatusTooManyRequests, true},
		"one call in 50 is 500": {50, http.StatusInternalServerError, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, calls := api(t, c.failing, c.status, "application/problem+json")
			o, err := readLoadOptions([]string{"--url", url, "--key-file", keyFile, "--workers", "4", "--every", "1ms"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				for calls.Load() < 200 && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
			}()
			err = runLoad(ctx, o)
			if (err != nil) != c.fails {
				t.Errorf("%d calls: %v", calls.Load(), err)
			}
		})
	}
}

// Each wrong command line gets its own message.
func TestLoadArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--url=u --key-file=k":             "",
		"--url=u --key-file=k extra":       `unknown argument "extra"`,
		"--url=u":                          "load needs ",
		"--url=u --key-file=k --workers=0": "load needs ",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, err := readLoadOptions(strings.Fields(args))
			if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v; want %q", err, want)
			}
		})
	}
}

// The client reports an error response that is not a problem document.
func TestLoadFindsInvalidAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		contentType string
		want        string
	}{
		"a problem document": {503, "application/problem+json", ""},
		"another type":       {503, "text/html", "not a problem document"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := api(t, 1, c.status, c.contentType)
			a := attempt{requestID: "r1"}
			newClient("secret").send(t.Context(), request{method: http.MethodGet, url: url}, &a)
			if a.status != c.status || !strings.HasPrefix(a.flaw, c.want) || c.want == "" && a.flaw != "" {
				t.Errorf("%+v", a)
			}
		})
	}
}

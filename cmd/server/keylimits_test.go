package main

import (
	"net/http"
	"strings"
	"testing"

	"orgd/internal/dbtest"
)

// The configured limits apply to calls that create keys or extend their life.
func TestServerLimitsKeys(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	manager, fast := d.Key(t, account), d.Key(t, account)
	var id string
	err := d.Pool.QueryRow(t.Context(), `
UPDATE api_keys SET rate_limit = 6, expires_at = now() + interval '1 hour' WHERE digest = sha256($1::text::bytea) RETURNING id::text`, fast).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	server := startProcess(t, d.URL, "--drain-delay=0s", "--max-keys-per-account=3", "--rate-limit=5")
	const body = `{"description":"x","scopes":["orgs:read"]}`
	for _, c := range []struct {
		what, method, path, body string
		want                     int
	}{
		{"extend a key with a higher rate than the server's", http.MethodPatch, "/" + id, `{"expiresAt":null}`, http.StatusForbidden},
		{"create a third key", http.MethodPost, "", body, http.StatusCreated},
		{"create a fourth key", http.MethodPost, "", body, http.StatusConflict},
	} {
		t.Run(c.what, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, server.url+"/v1/api-keys"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+manager)
			request.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != c.want {
				t.Errorf("%s: status %d, want %d", c.what, response.StatusCode, c.want)
			}
		})
	}
}

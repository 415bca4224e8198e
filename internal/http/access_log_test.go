package http_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"orgd/internal/orgs"
)

// Each request is logged in one line with the fields that operators need.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.call(t, http.MethodGet, "/v1/orgs?limit=0", "Authorization", "Bearer "+a.key, "X-Request-Id", "mine", "X-Stainless-Retry-Count", "2")
	a.awaitLog(t, "mine")
	lines := strings.Split(strings.TrimSpace(a.log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), a.log.String())
	}
	for _, want := range []string{
		`"requestId":"mine"`, `"method":"GET"`, `"route":"/v1/orgs"`, `"path":"/v1/orgs"`, `"status":400`,
		`"accountId":"` + a.account.String() + `"`, `"retryCount":2`, `"error":"invalid_parameter: limit`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is not in %s", want, lines[0])
		}
	}
}

// Ids that clients chose are not logged, wherever they are in a path, because erasures and
// deletions do not change the log.
func TestLoggedPaths(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	org := a.create(t, "Acme")
	for path, want := range map[string]string{
		org:                              org,
		org + "/users/chosen":            "/v1/orgs/:orgId/users/:userId",
		"/v1/users/chosen":               "/v1/users/:userId",
		"/v1/orgs/external/chosen":       "/v1/orgs/external/:externalId",
		"//v1/users/chosen":              "//v1/users/…",
		"/V1/users/chosen":               "/…/users/…",
		"/v1/user/chosen":                "/v1/…/…",
		"/v1/orgs/external/chosen/users": "/v1/orgs/external/:externalId",
		"/api/v1/orgs":                   "/…/v1/orgs",
		"/v1/users/a%2Fchosen":           "/v1/users/:userId",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			id := rand.Text()
			a.call(t, http.MethodDelete, path, "Authorization", "Bearer "+a.key, "X-Request-Id", id)
			a.awaitLog(t, id)
			for line := range strings.Lines(a.log.String()) {
				if strings.Contains(line, id) && (!strings.Contains(line, `"path":"`+want+`"`) || strings.Contains(line, "chosen")) {
					t.Error(line)
				}
			}
		})
	}
}

// Requests that fail because of the server are logged at level error, probes at level
// debug, and all others at level info.
func TestLogLevels(t *testing.T) {
	t.Parallel()
	a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { return orgs.Page{}, errors.New("broken") })
	for path, level := range map[string]string{"/v1/orgs": "ERROR", "/livez": "DEBUG", "/v1/orgs?limit=0": "INFO", "/nothing": "INFO"} {
		id := rand.Text()
		a.call(t, http.MethodGet, path, "Authorization", "Bearer "+a.key, "X-Request-Id", id)
		a.awaitLog(t, id)
		for line := range strings.Lines(a.log.String()) {
			if strings.Contains(line, id) && !strings.Contains(line, `"level":"`+level+`"`) {
				t.Errorf("%s is logged as %s", path, line)
			}
		}
	}
}

func TestClientDisconnectIsNotAnError(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	a := newAPIThatLists(t, func(ctx context.Context) (orgs.Page, error) {
		close(entered)
		<-ctx.Done()
		defer close(left)
		return orgs.Page{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	request := a.request(t, http.MethodGet, "/v1/orgs", nil, "Authorization", "Bearer "+a.key).WithContext(ctx)
	go func() { <-entered; cancel() }()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-left
	a.awaitLog(t, `"status":499`)
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("a client that disconnected is logged as an error: %s", log)
	}
}

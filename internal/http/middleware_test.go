package http_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"orgd/internal/orgs"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, good := range []string{"a", "A-z_09", "operator", "my-operator-1", strings.Repeat("x", 64)} {
		if got := a.call(t, http.MethodGet, "/livez", "X-Request-Id", good).header.Get("X-Request-Id"); got != good {
			t.Errorf("the id %q came back as %q", good, got)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a,b", "é", `"`, "operator-", "operator-1"} {
		if got := a.call(t, http.MethodGet, "/livez", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || len(got) != 32 {
			t.Errorf("the id %q came back as %q", bad, got)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { panic("a secret of the program") })
	got := a.get(t, "/v1/orgs")
	got.rejected(t, http.StatusInternalServerError, "internal")
	if bytes.Contains(got.body, []byte("secret")) {
		t.Errorf("the panic is in the answer: %s", got.body)
	}
	if log := a.log.String(); !strings.Contains(log, "a secret of the program") || !strings.Contains(log, "middleware_test.go") {
		t.Errorf("the panic and its stack are not in the log: %s", log)
	}
	// The server still works.
	if got := a.call(t, http.MethodGet, "/livez"); got.status != http.StatusOK {
		t.Errorf("after a panic: %d", got.status)
	}
}

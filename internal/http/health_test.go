package http_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) {
		cfg.Ready = func(context.Context) error { return errors.New("dial 127.0.0.1: refused") }
	})
	a.call(t, http.MethodGet, "/readyz").rejected(t, http.StatusServiceUnavailable, "unavailable")
	if got := a.call(t, http.MethodGet, "/livez"); got.status != http.StatusOK {
		t.Errorf("livez: %d", got.status)
	}
	b := newAPI(t)
	if got := b.call(t, http.MethodGet, "/readyz"); string(got.body) != `{"status":"ok"}` {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
}

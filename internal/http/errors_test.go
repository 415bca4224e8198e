package http_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"orgd/internal/orgs"
)

func TestDomainErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{fmt.Errorf("list: %w", orgs.ErrInvalidCursor), 400, "invalid_cursor"},
		{fmt.Errorf("list: %w: dial 127.0.0.1", orgs.ErrUnavailable), 503, "unavailable"},
		{fmt.Errorf("list: %w", context.DeadlineExceeded), 503, "unavailable"},
		{errors.New("SQLSTATE 42P01"), 500, "internal"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { return orgs.Page{}, c.err })
			a.get(t, "/v1/orgs").rejected(t, c.status, c.code)
			if !strings.Contains(a.log.String(), c.err.Error()) {
				t.Errorf("the cause %q is not in the log: %s", c.err, a.log.String())
			}
		})
	}
}

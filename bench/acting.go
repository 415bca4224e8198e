package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// measureActing compares checking whether a user may act in an organization with
// retrieving the organization. It uses the user who is in the most organizations.
func (b *bench) measureActing(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	busiest, _, err := users(ctx, conn, b.tenant.accountID)
	if err != nil {
		return err
	}
	targets, err := pickTargetsOf(ctx, conn, b.tenant.accountID, busiest)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("the user has no active organizations")
	}
	act := operation{name: "act", method: http.MethodGet, path: "/v1/orgs?orgId={id}&isActive=true&userId=" + url.QueryEscape(busiest)}
	retrieve := operation{name: "retrieve", method: http.MethodGet, path: "/v1/orgs/{id}"}
	if err := b.checkMember(ctx, act, targets[0].String()); err != nil {
		return err
	}
	return b.alternate(ctx, "orgd: A asks whether a user may act in an organization, B retrieves the organization",
		b.sideOf(contest{operation: act, targets: targets}), b.sideOf(contest{operation: retrieve, targets: targets}))
}

// checkMember checks that the answer is yes. An answer of no would be a successful response
// too.
func (b *bench) checkMember(ctx context.Context, act operation, id string) error {
	path, _ := act.sample(id)
	body, _, err := b.client.get(ctx, "http://"+b.orgd.addr+path)
	if err == nil && !strings.Contains(string(body), `"membership"`) {
		err = errors.New("the user may not act in the organization")
	}
	return err
}

func (b *bench) sideOf(c contest) side {
	return func(ctx context.Context, seconds int) (load, error) { return b.loadOperation(ctx, c, seconds) }
}

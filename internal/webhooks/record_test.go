package webhooks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/dbtest"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

// During an upgrade, the first call and its retry may reach different releases. Every
// release must therefore write the JSON of the golden file, and be able to read it.
func TestStoredCallsOfVersion1(t *testing.T) {
	t.Parallel()
	golden := dbtest.StoredCalls(t, "testdata/v1.json")
	ctx := context.Background()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
	id, key := uuid.UUID{15: 10}, uuid.UUID{15: 1}
	kept := webhooks.Webhook{
		ID: id, URL: "https://hooks.example.com/a?b=<&>", Description: "CI <&>", Types: []string{"org.created"}, CreatedAt: at,
		CreatedByAPIKeyID: key, Position: 0,
	}
	off := kept
	off.DisabledAt, off.DisabledReason = at, webhooks.Requested
	other, types, description := "https://hooks.example.com/b", []string{"org.deleted", "org.updated"}, "Other"
	changed := kept
	changed.URL, changed.Types, changed.Description = other, types, description
	for name, tc := range map[string]struct {
		stored webhooks.Webhook
		change func(*webhooks.Repository, idempotency.Call) (webhooks.Changed, error)
		// random lists the fields whose values differ between two runs.
		random string
		want   webhooks.Webhook
		err    error
	}{
		"create": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Create(ctx, c, webhooks.NewWebhook{URL: kept.URL, Description: kept.Description, Types: kept.Types})
			},
			random: "{ID,CreatedAt}",
			want:   kept,
		},
		"update": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Update(ctx, c, id, webhooks.Changes{URL: &other, Description: &description, Types: &types})
			},
			want: changed,
		},
		"update of nothing": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Update(ctx, c, id, webhooks.Changes{})
			},
			want: kept,
		},
		"rotation": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.RotateSecret(ctx, c, id, 0)
			},
			want: kept,
		},
		"disable": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Disable(ctx, c, id)
			},
			random: "{DisabledAt}",
			want:   off,
		},
		"enable": {
			stored: off,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Enable(ctx, c, id)
			},
			want: kept,
		},
		"replay": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Replay(ctx, c, id, 1)
			},
			want: kept,
		},
		"replay from the future": {
			stored: kept,
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Replay(ctx, c, id, 99)
			},
			err: webhooks.ErrPositionAhead,
		},
		"unknown webhook": {
			change: func(r *webhooks.Repository, c idempotency.Call) (webhooks.Changed, error) {
				return r.Enable(ctx, c, id)
			},
			err: webhooks.ErrNotFound,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, golden := dbtest.New(t), golden[name]
			account := uuid.UUID{15: 0xac}
			d.Exec(t, "INSERT INTO accounts (id, name) VALUES ($1, 'Test')", account)
			if tc.stored.URL != "" && name != "create" {
				d.Exec(t, `
INSERT INTO webhooks (account_id, id, url, description, types, secret, position, mark, created_at, created_by_api_key_id, disabled_at, disabled_reason)
VALUES ($1, $2, $3, $4, $5, sha256(''), 0, decode(repeat('00', 16), 'hex'), $6, $7, nullif($8, $10::timestamptz), nullif($9, ''))`,
					account, id, tc.stored.URL, tc.stored.Description, tc.stored.Types, at, key, tc.stored.DisabledAt, tc.stored.DisabledReason, time.Time{})
			}
			call := idempotency.Call{AccountID: account, KeyID: key, UserID: "auth0|2", RequestID: "r", IdempotencyKey: "k"}
			sender := webhooks.NewSender(webhooks.SenderConfig{})
			repository := webhooks.NewRepository(d.Conns, events.NewRepository(d.Conns), sender)
			if changed, err := tc.change(repository, call); changed.Replayed || !errors.Is(err, tc.err) {
				t.Fatalf("first: %+v, %v", changed, err)
			}
			d.WantStored(t, golden, tc.random)
			d.Exec(t, "UPDATE idempotency_keys SET result = $1::jsonb", string(golden.Result))
			again, err := tc.change(repository, call)
			if !again.Replayed || again.Secret != nil || !errors.Is(err, tc.err) {
				t.Errorf("again: %+v, %v; want %v", again, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, again.Webhook); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

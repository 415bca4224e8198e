package apikeys_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// During an upgrade, the first call and its retry may reach different releases. Every
// release must therefore write the JSON of the golden file, and be able to read it.
func TestStoredCallsOfVersion1(t *testing.T) {
	t.Parallel()
	golden := dbtest.StoredCalls(t, "testdata/v1.json")
	ctx := context.Background()
	rate, usualRate := new(int32), (*int32)(nil)
	*rate = 7
	used := time.Date(2026, 2, 3, 4, 5, 6, 700_000_000, time.UTC)
	live := apikeys.APIKey{
		ID: uuid.UUID{15: 10}, AccountID: uuid.UUID{15: 0xac}, Description: "CI <&>", Hint: "orgd_0a…",
		Scopes: []apikeys.Scope{apikeys.OrgsRead, apikeys.ActAsUser}, RateLimit: rate,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC), ExpiresAt: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), LastUsedAt: used,
	}
	made := live
	made.LastUsedAt = time.Time{}
	revoked := made
	made.CreatedByAPIKeyID = uuid.UUID{15: 1}
	usual, forever := made, made
	usual.RateLimit, forever.ExpiresAt = nil, time.Time{}
	revoked.ID, revoked.Hint, revoked.RateLimit, revoked.ExpiresAt, revoked.RevokedAt = uuid.UUID{15: 11}, "orgd_0b…", nil, time.Time{}, used
	for name, tc := range map[string]struct {
		change func(*apikeys.Repository, apikeys.Call) (apikeys.Changed, error)
		// random lists the fields whose values differ between two runs.
		random string
		want   apikeys.APIKey
		err    error
	}{
		"create": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Create(ctx, c, apikeys.NewAPIKey{Description: live.Description, Scopes: live.Scopes, Expiry: apikeys.ExpiresAt(live.ExpiresAt), RateLimit: rate})
			},
			random: "{ID,Hint,CreatedAt}",
			want:   made,
		},
		"create for an hour": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Create(ctx, c, apikeys.NewAPIKey{Description: live.Description, Scopes: live.Scopes, Expiry: apikeys.ExpiresIn(time.Hour)})
			},
			random: "{ID,Hint,CreatedAt,ExpiresAt}",
			want:   usual,
		},
		"update of every field": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Update(ctx, c, live.ID, apikeys.Changes{Description: &live.Description, Expiry: new(apikeys.ExpiresAt(live.ExpiresAt)), RateLimit: apikeys.Some(rate)})
			},
			want: live,
		},
		"update of nothing": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Update(ctx, c, live.ID, apikeys.Changes{})
			},
			want: live,
		},
		"update for an hour": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Update(ctx, c, live.ID, apikeys.Changes{Expiry: new(apikeys.ExpiresIn(time.Hour))})
			},
			random: "{ExpiresAt}",
			want:   live,
		},
		"update of a revoked key": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Update(ctx, c, revoked.ID, apikeys.Changes{Expiry: new(apikeys.ExpiresAt(live.ExpiresAt)), RateLimit: apikeys.Some(usualRate)})
			},
			err: apikeys.ErrEnded,
		},
		"revocation": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Revoke(ctx, c, revoked.ID)
			},
			want: revoked,
		},
		"revocation of the last manager": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) { return r.Revoke(ctx, c, c.KeyID) },
			err:    apikeys.ErrLastManager,
		},
		"revocation of an unknown key": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Revoke(ctx, c, uuid.UUID{15: 12})
			},
			err: apikeys.ErrNotFound,
		},
		"rotation": {
			change: func(r *apikeys.Repository, c apikeys.Call) (apikeys.Changed, error) {
				return r.Rotate(ctx, c, live.ID, time.Hour)
			},
			random: "{ID,Hint,CreatedAt}",
			want:   forever,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, golden := dbtest.New(t), golden[name]
			d.Exec(t, "INSERT INTO accounts (id, name) VALUES ($1, 'Test')", live.AccountID)
			call := apikeys.Call{Call: idempotency.Call{AccountID: live.AccountID, KeyID: uuid.UUID{15: 1}, UserID: "auth0|2", RequestID: "r", IdempotencyKey: "k"}}
			store(t, d, apikeys.APIKey{ID: call.KeyID, AccountID: call.AccountID, Description: "Caller", Hint: "orgd_01…", Scopes: apikeys.Scopes, CreatedAt: live.CreatedAt})
			store(t, d, live)
			store(t, d, revoked)
			repository := apikeys.NewRepository(d.Conns)
			if changed, err := tc.change(repository, call); changed.Replayed || !errors.Is(err, tc.err) {
				t.Fatalf("first: %+v, %v", changed, err)
			}
			d.WantStored(t, golden, tc.random)
			d.Exec(t, "UPDATE idempotency_keys SET result = $1::jsonb", string(golden.Result))
			again, err := tc.change(repository, call)
			if !again.Replayed || !errors.Is(err, tc.err) {
				t.Errorf("again: %+v, %v; want %v", again, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, again.APIKey); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func store(t *testing.T, d *dbtest.DB, k apikeys.APIKey) {
	t.Helper()
	d.Exec(t, `
INSERT INTO api_keys (id, account_id, description, hint, digest, scopes, rate_limit, created_at, expires_at, revoked_at, last_used_at)
VALUES ($1, $2, $3, $4, sha256($4::text::bytea), $5, $6, $7, nullif($8, $11::timestamptz), nullif($9, $11::timestamptz), nullif($10, $11::timestamptz))`,
		k.ID, k.AccountID, k.Description, k.Hint, k.Scopes, k.RateLimit, k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt, time.Time{})
}

package apikeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// manager changes the keys of an account, with a key of that account or as an operator.
type manager struct {
	*dbtest.DB
	keys     *apikeys.Repository
	call     apikeys.Call // with the key
	operator apikeys.Call
}

func newManager(t *testing.T, rate *int32, limits apikeys.Limits) manager {
	t.Helper()
	d := dbtest.New(t)
	m := manager{DB: d, keys: apikeys.NewRepository(d.Conns).WithLimits(limits), operator: apikeys.ByOperator(d.Account(t))}
	m.call = m.operator
	m.call.KeyID = m.made(t, rate).ID
	return m
}

// made creates a key as an operator.
func (m manager) made(t *testing.T, rate *int32) apikeys.APIKey {
	t.Helper()
	made, err := m.keys.Create(context.Background(), m.operator, apikeys.NewAPIKey{Description: "x", Scopes: apikeys.Scopes, RateLimit: rate})
	if err != nil {
		t.Fatal(err)
	}
	return made.APIKey
}

func rate(perSecond int32) *int32 { return &perSecond }

func printRate(r *int32) string {
	if r == nil {
		return "default"
	}
	return fmt.Sprint(*r)
}

// A caller can neither create a key with a higher rate than its own nor extend one. A
// rate of 0 means no limit. A key without a rate has the server's default.
func TestRatesAreNotExceeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server     int32
		caller     *int32
		asked, old *int32 // the rate that the caller requests; the rate of the key that it rotates or updates
		created    *int32
		rotated    *int32
		kept       bool // the caller may move the old key's expiry to a later time
	}{
		{100, nil, nil, nil, nil, nil, true},
		{100, rate(2), nil, nil, rate(2), rate(2), false},
		{100, rate(2), rate(1), rate(1), rate(1), rate(1), true},
		{100, rate(2), rate(3), rate(3), rate(2), rate(2), false},
		{100, rate(2), rate(0), rate(0), rate(2), rate(2), false},
		{100, nil, rate(50), rate(50), rate(50), rate(50), true},
		{100, nil, rate(101), rate(101), nil, nil, false},
		{100, rate(100), nil, nil, rate(100), nil, true},
		{100, rate(200), nil, nil, rate(200), nil, true},
		{100, rate(0), rate(1_000_000), rate(1_000_000), rate(1_000_000), rate(1_000_000), true},
		{100, rate(0), rate(0), rate(0), rate(0), rate(0), true},
		{0, nil, rate(0), rate(0), rate(0), rate(0), true},
		{0, rate(2), nil, nil, rate(2), rate(2), false},
		{0, nil, rate(5), rate(5), rate(5), rate(5), true},
	} {
		name := fmt.Sprintf("server %d, caller %s, key %s", c.server, printRate(c.caller), printRate(c.old))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			m := newManager(t, c.caller, apikeys.Limits{RateLimit: c.server})
			made, err := m.keys.Create(ctx, m.call, apikeys.NewAPIKey{Description: "x", Scopes: apikeys.Scopes, RateLimit: c.asked})
			if err != nil || printRate(made.APIKey.RateLimit) != printRate(c.created) {
				t.Errorf("created with the rate %s, want %s: %v", printRate(made.APIKey.RateLimit), printRate(c.created), err)
			}
			old := m.made(t, c.old)
			rotated, err := m.keys.Rotate(ctx, m.call, old.ID, time.Hour)
			if err != nil || printRate(rotated.APIKey.RateLimit) != printRate(c.rotated) {
				t.Errorf("rotated to the rate %s, want %s: %v", printRate(rotated.APIKey.RateLimit), printRate(c.rotated), err)
			}
			old = m.made(t, c.old)
			if _, err := m.keys.Update(ctx, m.operator, old.ID, apikeys.Changes{Expiry: new(apikeys.ExpiresIn(time.Hour))}); err != nil {
				t.Fatal(err)
			}
			m.moveEnd(t, old.ID, 30*time.Minute, nil)
			var want error
			if !c.kept {
				want = apikeys.ErrExceedsRate
			}
			m.moveEnd(t, old.ID, 40*time.Minute, want)
			m.moveEnd(t, old.ID, 0, want)
			if _, err := m.keys.Update(ctx, m.call, old.ID, apikeys.Changes{Description: new("y")}); err != nil {
				t.Errorf("description changed: %v", err)
			}
			if _, err := m.keys.Update(ctx, m.call, old.ID, apikeys.Changes{RateLimit: apikeys.Some(c.old)}); !errors.Is(err, want) {
				t.Errorf("rate set to its current value: %v, want %v", err, want)
			}
		})
	}
}

// moveEnd sets the expiry of a key to the given time from now; 0 means that it never
// expires. The call must return the error want.
func (m manager) moveEnd(t *testing.T, id uuid.UUID, from time.Duration, want error) {
	t.Helper()
	var end apikeys.Expiry
	if from > 0 {
		end = apikeys.ExpiresAt(time.Now().Add(from))
	}
	if _, err := m.keys.Update(context.Background(), m.call, id, apikeys.Changes{Expiry: &end}); !errors.Is(err, want) {
		t.Errorf("expiry moved to %s from now: %v, want %v", from, err, want)
	}
}

// An operator can grant any rate, regardless of the limits.
func TestOperatorGrantsAnyRate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := newManager(t, nil, apikeys.Limits{KeysPerAccount: 1, RateLimit: 1})
	old := m.made(t, rate(1000))
	rotated, err := m.keys.Rotate(ctx, m.operator, old.ID, time.Hour)
	if err != nil || printRate(rotated.APIKey.RateLimit) != "1000" {
		t.Errorf("rotated to %s, %v", printRate(rotated.APIKey.RateLimit), err)
	}
	if _, err := m.keys.Update(ctx, m.operator, old.ID, apikeys.Changes{Expiry: &apikeys.Expiry{}, RateLimit: apikeys.Some(rate(0))}); err != nil {
		t.Error(err)
	}
}

// The number of active keys never exceeds the limit, even with concurrent calls on two
// servers. Expired and revoked keys do not count.
func TestKeysOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const most = 5
	m := newManager(t, nil, apikeys.Limits{KeysPerAccount: most})
	other, err := db.Open(ctx, m.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	servers := []*apikeys.Repository{m.keys, apikeys.NewRepository(other).WithLimits(apikeys.Limits{KeysPerAccount: most})}
	n := apikeys.NewAPIKey{Description: "x", Scopes: apikeys.Scopes}
	spare := m.made(t, nil) // the key to rotate: a caller that rotated its own key could no longer create keys that never expire
	var mu sync.Mutex
	var made []uuid.UUID
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			create := func() (apikeys.Changed, error) { return servers[i%2].Create(ctx, m.call, n) }
			if i%4 == 3 {
				create = func() (apikeys.Changed, error) { return servers[i%2].Rotate(ctx, m.call, spare.ID, time.Hour) }
			}
			changed, err := create()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made = append(made, changed.APIKey.ID)
			case !errors.Is(err, apikeys.ErrTooMany):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(made) != most-2 {
		t.Fatalf("%d keys were created in addition to the first two, want %d", len(made), most-2)
	}
	if _, err := m.keys.Rotate(ctx, m.call, made[0], 0); err != nil {
		t.Errorf("rotation without an overlap: %v", err)
	}
	if _, err := m.keys.Revoke(ctx, m.call, made[1]); err != nil {
		t.Fatal(err)
	}
	m.Exec(t, "UPDATE api_keys SET expires_at = now() WHERE id = $1", made[2])
	for want := range slices.Values([]error{nil, nil, apikeys.ErrTooMany}) {
		if _, err := m.keys.Create(ctx, m.call, n); !errors.Is(err, want) {
			t.Errorf("after two keys have ended: %v, want %v", err, want)
		}
	}
	m.made(t, nil) // an operator can exceed the limit
	stranger := newManager(t, nil, apikeys.Limits{KeysPerAccount: most})
	if _, err := stranger.keys.Create(ctx, stranger.call, n); err != nil {
		t.Errorf("in another account: %v", err)
	}
}

// The cost of the count does not depend on the number of ended keys.
func TestLiveKeysAreCountedByTheirIndex(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := newManager(t, nil, apikeys.Limits{})
	m.Exec(t, `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, expires_at, revoked_at)
SELECT $1, gen_random_uuid(), 'x', sha256(i::text::bytea), 'x', '{orgs:read}',
       CASE WHEN i % 2 = 0 THEN now() - interval '1 hour' END, CASE WHEN i % 2 = 1 THEN now() END
FROM generate_series(1, 20000) AS i`, m.operator.AccountID)
	m.Vacuum(t, "ANALYZE api_keys")
	for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
		t.Run(mode, func(t *testing.T) {
			err := m.Conns.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
				if _, err := q.Exec(ctx, "SET LOCAL plan_cache_mode = "+mode); err != nil {
					return err
				}
				var text []byte
				if err := q.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+apikeys.CountLiveStatement, m.operator.AccountID).Scan(&text); err != nil {
					return err
				}
				var plans []struct {
					Plan struct {
						Hit  int `json:"Shared Hit Blocks"`
						Read int `json:"Shared Read Blocks"`
					}
				}
				if err := json.Unmarshal(text, &plans); err != nil {
					return err
				}
				if read := plans[0].Plan.Hit + plans[0].Plan.Read; read > 10 {
					t.Errorf("%s: read %d buffers:\n%s", mode, read, text)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

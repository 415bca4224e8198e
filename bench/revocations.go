package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	revocations = 200
	// lostTTL is the TTL of the key cache of the server under load. A revocation whose
	// notification is lost takes effect there within this time.
	lostTTL         = 2 * time.Second
	lostRevocations = 10
)

// behindProxy lets each client send its own client address. Otherwise the limit on wrong
// keys from one address would soon apply.
const behindProxy = "ORGD_TRUSTED_PROXIES=127.0.0.0/8"

func randomAddress() string {
	return fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256))
}

// measureRevocations revokes keys at one server, and measures how long another server,
// under load, still accepts them. The time begins before the revocation is sent, so it
// includes the commit, and ends with the first rejection.
func (b *bench) measureRevocations(ctx context.Context) (err error) {
	progress("%d revocations", revocations)
	other, err := b.startOrgd(ctx, "other.log", poolSize, "ORGD_KEY_CACHE_TTL="+lostTTL.String(), behindProxy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.stop()) }()
	var took []float64
	for len(took) < revocations {
		more, err := b.revokeUnderLoad(ctx, other, revocations-len(took))
		if err != nil {
			return err
		}
		took = append(took, more...)
	}
	b.printf("\norgd, from a revocation to the first rejection by another server under load, %d keys: p50 %.1f ms  p99 %.1f ms  worst %.1f ms\n",
		len(took), quantile(took, .5), quantile(took, .99), quantile(took, 1))

	if err := execute(ctx, b.tenant.databaseURL, "ALTER TABLE api_keys DISABLE TRIGGER api_keys_updated"); err != nil {
		return err
	}
	var lost []float64
	for range lostRevocations {
		t, err := b.revokeOnce(ctx, other)
		if err != nil {
			return err
		}
		lost = append(lost, milliseconds(t))
	}
	b.printf("orgd, the same without the notification, ORGD_KEY_CACHE_TTL=%v, %d keys: worst %.1f ms\n", lostTTL, len(lost), quantile(lost, 1))
	return execute(ctx, b.tenant.databaseURL, "ALTER TABLE api_keys ENABLE TRIGGER api_keys_updated")
}

// revokeUnderLoad revokes at most the given number of keys, one after the other, during
// one run of wrk.
func (b *bench) revokeUnderLoad(ctx context.Context, other *server, most int) (took []float64, err error) {
	g, ctx := errgroup.WithContext(ctx)
	end := time.Now().Add(time.Duration(b.seconds) * time.Second)
	g.Go(func() error {
		_, err := b.load(ctx, listURL(other, pageSize, "", ""), connections, b.seconds)
		return err
	})
	g.Go(func() error {
		for len(took) < most && time.Now().Before(end) {
			t, err := b.revokeOnce(ctx, other)
			if err != nil {
				return err
			}
			took = append(took, milliseconds(t))
		}
		return nil
	})
	err = g.Wait()
	return took, err
}

// revokeOnce creates a key, uses it at the other server, revokes it, and polls the other
// server until it rejects the key.
func (b *bench) revokeOnce(ctx context.Context, other *server) (took time.Duration, err error) {
	keys := "http://" + b.orgd.addr + "/v1/api-keys"
	status, answer, err := b.client.do(ctx, http.MethodPost, keys, `{"description":"bench","scopes":["orgs:read"]}`)
	if err != nil || status != http.StatusCreated {
		return 0, errors.Join(err, fmt.Errorf("create a key: status %d\n%s", status, answer))
	}
	var created struct{ APIKeyID, Key string }
	if err := json.Unmarshal(answer, &created); err != nil {
		return 0, err
	}
	user := &client{http: b.client.http, key: created.Key, from: randomAddress()}
	read := "http://" + other.addr + "/v1/orgs?limit=1"
	if _, _, err := user.get(ctx, read); err != nil {
		return 0, err
	}
	start := time.Now()
	status, answer, err = b.client.do(ctx, http.MethodPost, keys+"/"+created.APIKeyID+"/revoke", "")
	if err != nil || status != http.StatusOK {
		return 0, errors.Join(err, fmt.Errorf("revoke a key: status %d\n%s", status, answer))
	}
	for {
		status, answer, err := user.do(ctx, http.MethodGet, read, "")
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusUnauthorized:
			return time.Since(start), nil
		case status != http.StatusOK:
			return 0, fmt.Errorf("status %d\n%s", status, answer)
		}
	}
}

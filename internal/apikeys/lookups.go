package apikeys

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
)

// Keys expire by the database's clock, which all replicas share. The last column is the
// key's remaining life in seconds, at most $2. place is the position in $1, counted from
// 1.
const apiKeyLookUp = `
SELECT place, account_id, api_keys.id, digest, scopes, rate_limit, last_used_at, least(extract(epoch FROM expires_at - now()), $2)::float8
FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (digest, place)
JOIN api_keys USING (digest)
JOIN accounts ON accounts.id = account_id
WHERE revoked_at IS NULL AND suspended_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())`

const (
	// lookUpBatch is the maximum number of keys that one statement looks up.
	lookUpBatch = 500
	// lookUpPatience is how long a statement may delay the next one. If a statement takes
	// longer, its connection probably hangs, but other connections may work.
	lookUpPatience = 250 * time.Millisecond
	// lookUpStatements is the maximum number of connections that hanging statements can
	// occupy.
	lookUpStatements = 3
)

// lookUps combines concurrent lookups of keys in one statement. Lookups that arrive while
// a statement runs go into the next one. A single lookup does not wait. A flood of wrong
// keys therefore uses one connection, and delays the lookup of a valid key by about one
// statement.
type lookUps struct {
	// find returns, for each digest, the valid key or nil.
	find func(context.Context, []digest) ([]*validKey, error)

	mu      sync.Mutex
	waiting []*lookUp
	turn    bool // a running statement delays the next one
	running int  // number of statements
}

// lookUp is the lookup of one key.
type lookUp struct {
	ctx    context.Context // of its caller, for the trace
	digest digest
	done   chan struct{} // closed when found and err are set
	found  *validKey
	err    error
}

// lookUp returns the valid key with this digest, or db.ErrNoRows.
func (l *lookUps) lookUp(ctx context.Context, d digest) (validKey, error) {
	asked := &lookUp{ctx: ctx, digest: d, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, asked)
	l.startNext()
	l.mu.Unlock()
	select {
	case <-asked.done:
	case <-ctx.Done():
		return validKey{}, ctx.Err()
	}
	switch {
	case asked.err != nil:
		return validKey{}, asked.err
	case asked.found == nil:
		return validKey{}, db.ErrNoRows
	}
	return *asked.found, nil
}

// startNext starts a statement for the waiting lookups, unless another statement has the
// turn or lookUpStatements are running. The caller holds mu.
func (l *lookUps) startNext() {
	if l.turn || l.running == lookUpStatements || len(l.waiting) == 0 {
		return
	}
	batch := l.waiting[:min(len(l.waiting), lookUpBatch)]
	l.waiting = l.waiting[len(batch):]
	l.turn = true
	l.running++
	go l.run(batch)
}

func (l *lookUps) run(batch []*lookUp) {
	passOn := sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.turn = false
		l.startNext()
	})
	impatient := time.AfterFunc(lookUpPatience, passOn)
	l.answer(batch)
	impatient.Stop()
	passOn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.startNext()
}

func (l *lookUps) answer(batch []*lookUp) {
	digests := make([]digest, len(batch))
	for i, asked := range batch {
		digests[i] = asked.digest
	}
	// The first caller may be canceled while the others still wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), askLimit)
	defer cancel()
	found, err := l.find(ctx, digests)
	for i, asked := range batch {
		if err != nil {
			asked.err = err
		} else {
			asked.found = found[i]
		}
		close(asked.done)
	}
}

// validKey is a key that is valid now.
type validKey struct {
	principal  Principal
	lastUsedAt time.Time
	validFor   time.Duration // how long it stays valid, at most the given limit
}

// lookUp returns, for each digest, the valid key that has it, or nil.
func (r *Repository) lookUp(ctx context.Context, wanted []digest, limit time.Duration) (found []*validKey, err error) {
	digests := make([][]byte, len(wanted))
	for i := range wanted {
		digests[i] = wanted[i][:]
	}
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		found = make([]*validKey, len(wanted))
		rows, err := q.Query(ctx, apiKeyLookUp, digests, limit.Seconds())
		if err != nil {
			return err
		}
		placed, err := pgx.CollectRows(rows, scanPlaced)
		for _, p := range placed {
			if subtle.ConstantTimeCompare(p.digest, digests[p.place-1]) == 1 {
				found[p.place-1] = &p.validKey
			}
		}
		return err
	})
	return found, err
}

// placedKey is the valid key for the digest at a place, counted from 1.
type placedKey struct {
	place  int64
	digest []byte
	validKey
}

func scanPlaced(row pgx.CollectableRow) (p placedKey, err error) {
	var used *time.Time
	var seconds float64
	err = row.Scan(&p.place, &p.principal.AccountID, &p.principal.KeyID, &p.digest, &p.principal.Scopes, &p.principal.RateLimit, &used, &seconds)
	p.lastUsedAt, p.validFor = db.OrZero(used), time.Duration(seconds*float64(time.Second))
	return p, err
}

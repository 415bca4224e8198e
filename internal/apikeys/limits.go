package apikeys

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"orgd/internal/db"
)

const apiKeyCountActive = `
SELECT count(*)
FROM api_keys
WHERE account_id = $1 AND ` + isActive

const apiKeyGrants = `
SELECT scopes, rate_limit, expires_at, now()
FROM api_keys
WHERE account_id = $1 AND id = $2 AND ` + isActive

// Limits restrict what callers with a key can do to the keys of their account. They do
// not apply to an operator.
type Limits struct {
	KeysPerAccount int   // active keys: neither revoked nor expired; 0 for no limit
	RateLimit      int32 // requests per second of a key without its own rate; 0 for no limit
}

// WithLimits returns a repository with limits.
func (r *Repository) WithLimits(l Limits) *Repository {
	return &Repository{db: r.db, limits: l, changed: r.changed}
}

// checkKeyLimit returns ErrTooMany if the account has the maximum number of active keys.
// The count is exact, because it is read in the account's turn.
func (r *Repository) checkKeyLimit(ctx context.Context, q db.Querier, c Call) error {
	if c.byOperator() || r.limits.KeysPerAccount == 0 {
		return nil
	}
	var active int
	err := q.QueryRow(ctx, apiKeyCountActive, c.AccountID).Scan(&active)
	if err == nil && active >= r.limits.KeysPerAccount {
		err = ErrTooMany
	}
	return err
}

// grants are what a caller may give to another key.
type grants struct {
	scopes   []Scope
	rate     *int32    // as APIKey.RateLimit
	end      time.Time // of the caller's key; zero for never
	now      time.Time // by the database's clock
	operator bool      // may grant any rate and any life
}

// capRate returns the lower of the rate and the caller's rate; nil means the server's
// default. An operator's rate is not capped.
func (l Limits) capRate(g grants, rate *int32) *int32 {
	if g.operator || l.perSecond(rate) <= l.perSecond(g.rate) {
		return rate
	}
	return g.rate
}

// checkRate returns ErrExceedsRate if the rate is higher than the caller's.
func (l Limits) checkRate(g grants, rate *int32) error {
	if !g.operator && l.perSecond(rate) > l.perSecond(g.rate) {
		return ErrExceedsRate
	}
	return nil
}

// checkEnd returns ErrExceedsLife if a key would end later than the caller's key.
// Otherwise the holder of a key with an expiry could create another one that lasts
// longer.
func (g grants) checkEnd(end time.Time) error {
	if !g.operator && isBefore(g.end, end) {
		return ErrExceedsLife
	}
	return nil
}

// perSecond returns a rate as a number to compare: no limit is the largest number.
func (l Limits) perSecond(rate *int32) int32 {
	perSecond := l.RateLimit
	if rate != nil {
		perSecond = *rate
	}
	if perSecond == 0 {
		return math.MaxInt32
	}
	return perSecond
}

// grants returns the caller's grants, or ErrInvalidKey.
func (c Call) grants(ctx context.Context, q db.Querier) (g grants, err error) {
	if c.byOperator() {
		return grants{scopes: Scopes, operator: true}, nil
	}
	var end *time.Time
	err = q.QueryRow(ctx, apiKeyGrants, c.AccountID, c.KeyID).Scan(&g.scopes, &g.rate, &end, &g.now)
	g.end = db.OrZero(end)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrInvalidKey
	}
	return g, err
}

// LacksScopeError means that the caller lacks a scope of the key that it tries to create
// or change.
type LacksScopeError struct{ Scope Scope }

func (e LacksScopeError) Error() string {
	return "apikeys: the caller's key lacks the scope " + string(e.Scope)
}

// checkScopes returns a LacksScopeError for the first scope that the caller lacks.
func (g grants) checkScopes(scopes []Scope) error {
	for _, scope := range scopes {
		if !slices.Contains(g.scopes, scope) {
			return LacksScopeError{scope}
		}
	}
	return nil
}

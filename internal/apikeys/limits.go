package apikeys

import (
	"context"
	"errors"
	"math"
	"slices"

	"orgd/internal/db"
)

// Limits bound what a key can do to the keys of its account. An operator is not bound.
type Limits struct {
	KeysPerAccount int   // keys that are neither revoked nor expired; 0 for no limit
	RateLimit      int32 // requests a second of a key without its own rate; 0 for no limit
}

// WithLimits returns the repository for callers that have keys.
func (r *Repository) WithLimits(l Limits) *Repository { return &Repository{db: r.db, limits: l} }

// makesRoom refuses one more key in an account that has enough. Made in the account's
// turn, it is exact.
func (r *Repository) makesRoom(ctx context.Context, q db.Querier, c Call) error {
	if c.byOperator() || r.limits.KeysPerAccount == 0 {
		return nil
	}
	var live int
	err := q.QueryRow(ctx, apiKeyCountLive, c.AccountID).Scan(&live)
	if err == nil && live >= r.limits.KeysPerAccount {
		err = ErrTooMany
	}
	return err
}

// grants are what a caller can hand on.
type grants struct {
	scopes   []Scope
	rate     *int32 // as APIKey.RateLimit
	operator bool   // any rate
}

// handOn returns the rate of a key that takes over rate: the lower one of that and the
// caller's. nil stands for the server's own.
func (l Limits) handOn(g grants, rate *int32) *int32 {
	if g.operator || l.perSecond(rate) <= l.perSecond(g.rate) {
		return rate
	}
	return g.rate
}

// mayKeep refuses a caller that would keep a key with a higher rate than its own.
func (l Limits) mayKeep(g grants, rate *int32) error {
	if !g.operator && l.perSecond(rate) > l.perSecond(g.rate) {
		return ErrExceedsRate
	}
	return nil
}

// perSecond makes rates comparable.
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

// grants returns what the caller can hand on, or ErrInvalidKey.
func (c Call) grants(ctx context.Context, q db.Querier) (g grants, err error) {
	if c.byOperator() {
		return grants{scopes: Scopes, operator: true}, nil
	}
	err = q.QueryRow(ctx, apiKeyGrants, c.AccountID, c.KeyID).Scan(&g.scopes, &g.rate)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrInvalidKey
	}
	return g, err
}

// LacksScopeError says that the caller lacks a scope that it would hand on.
type LacksScopeError struct{ Scope Scope }

func (e LacksScopeError) Error() string { return "apikeys: the caller lacks " + string(e.Scope) }

// mayGrant refuses the first of the scopes that the caller lacks.
func (g grants) mayGrant(scopes []Scope) error {
	for _, scope := range scopes {
		if !slices.Contains(g.scopes, scope) {
			return LacksScopeError{scope}
		}
	}
	return nil
}

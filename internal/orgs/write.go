package orgs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Call is who asks for a change, and how the call may be repeated.
type Call struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID // the API key that speaks
	UserID    uuid.UUID // the person it acts for; zero if none
	RequestID string    // for the audit trail; 1–64 characters

	IdempotencyKey string // the client's name for the call; empty if it has none
	CountsRetries  bool   // the client says how often it has sent the call before
	IsRetry        bool   // it has sent the call before
}

// Changed is the result of a change: the organization as the change left it.
type Changed struct {
	Org      Org
	Replayed bool // it, or the error beside it, is the result of an earlier call, which this one repeats

	answer *answer // see AnswerLost; nil if the call cannot be retried without a name
}

// NewOrg is an organization to be made.
type NewOrg struct {
	Name     string // 1–255 code points, trimmed, no control characters
	Metadata map[string]string
}

// Changes are what shall be different; nil leaves as it is.
type Changes struct {
	Name     *string
	Metadata *map[string]string // the whole map
}

// Versions are those of Org.Version that a change may be made to; nil for any.
type Versions []int64

// Get returns the organization. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Get(ctx context.Context, accountID, orgID uuid.UUID) (Org, error) {
	var org Org
	err := r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		org, err = getOrg(ctx, q, accountID, orgID)
		return err
	})
	if err != nil {
		return Org{}, fmt.Errorf("get organization: %w", err)
	}
	return org, nil
}

// Update makes the changes; those that change nothing leave the version as it is.
// Errors: ErrNotFound, VersionError, ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Update(ctx context.Context, c Call, orgID uuid.UUID, match Versions, changes Changes) (Changed, error) {
	u := update{OrgID: orgID, Match: match, Name: changes.Name, event: eventUpdated}
	if changes.Metadata != nil {
		metadata, err := encodeMetadata(*changes.Metadata)
		if err != nil {
			return Changed{}, fmt.Errorf("update organization: %w", err)
		}
		u.Metadata = &metadata
	}
	return r.update(ctx, c, "update organization", u)
}

// SetActive deactivates or reactivates the organization; one that is so already
// stays as it is. Once a deactivation is acknowledged no member enters. Errors as
// of Update.
func (r *Repository) SetActive(ctx context.Context, c Call, orgID uuid.UUID, match Versions, active bool) (Changed, error) {
	if active {
		return r.update(ctx, c, "reactivate organization", update{OrgID: orgID, Match: match, IsActive: &active, event: eventReactivated})
	}
	return r.update(ctx, c, "deactivate organization", update{OrgID: orgID, Match: match, IsActive: &active, event: eventDeactivated})
}

func (r *Repository) update(ctx context.Context, c Call, operation string, u update) (Changed, error) {
	return r.change(ctx, r.inTurn(c, u.OrgID), c, operation, u, func(ctx context.Context, q db.Querier) (Org, error) {
		return u.run(ctx, q, c)
	})
}

func getOrg(ctx context.Context, q db.Querier, accountID, orgID uuid.UUID) (Org, error) {
	rows, err := q.Query(ctx, orgGet, binaryResults, accountID, orgID)
	if err != nil {
		return Org{}, err
	}
	found, err := pgx.CollectRows(rows, scanVersioned)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Org{}, err
	}
	return found[0], nil
}

package orgs

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// MaxTotal is the largest number that Count counts to.
	MaxTotal = 10_000
	// maxTotalOfUser is the counterpart of MaxTotal for a user's organizations, each of
	// which costs a lookup.
	maxTotalOfUser = 2_000
	// If Count finds fewer than rareMatches matches among the organizations that it reads, it
	// tries to count all matches with the index of the filters.
	rareMatches = 100
)

// Total is the number of organizations or members in a list.
type Total struct {
	Count int
	More  bool // the list may have more than Count
}

// Count returns how many organizations the list has on all its pages. It counts the
// matches among the first MaxTotal organizations, or the first 2,000 of a user. If these
// are few and more organizations follow, it counts all matches with the index of the
// filters, unless that takes too long. Errors: ErrUnavailable.
func (r *Repository) Count(ctx context.Context, accountID uuid.UUID, p ListParams) (Total, error) {
	p.Cursor, p.Before, p.Order, p.Limit = "", "", NewestFirst, MaxTotal
	query, err := r.newQuery(accountID, p)
	if err != nil {
		return Total{}, err
	}
	query.maxSorted = 0
	share := r.db.For(accountID)
	var total Total
	err = share.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		total, err = query.count(ctx, q)
		return err
	})
	if err == nil && total.More && total.Count < rareMatches && query.hasResidual() {
		total, err = r.countIndexed(ctx, share, total, "org_id", orgListIndexed(query))
	}
	if err != nil {
		return Total{}, fmt.Errorf("count organizations: %w", err)
	}
	return total, nil
}

// countIndexed counts the rows of the statement. If that takes too long, or the database
// has become unavailable, it returns the total that is already known.
func (r *Repository) countIndexed(ctx context.Context, share db.Share, known Total, column string, s statement) (total Total, err error) {
	err = share.ReadWithin(ctx, r.nearby.count, func(ctx context.Context, q db.Querier) error {
		total, err = countAll(ctx, q, column, MaxTotal, s)
		return err
	})
	if errors.Is(err, db.ErrUnavailable) {
		return known, nil
	}
	return total, err
}

// CountMembers is Count for the members of an organization. Without filters, the number is
// exact. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) CountMembers(ctx context.Context, accountID uuid.UUID, p MemberListParams) (Total, error) {
	p.Cursor, p.Before, p.Order, p.Limit = "", "", LatestFirst, MaxTotal
	query := memberQuery{MemberListParams: p, accountID: accountID, nearby: MaxTotal}
	share := r.db.For(accountID)
	var total Total
	err := share.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		total, err = query.count(ctx, q)
		return err
	})
	if err == nil && total.More && total.Count < rareMatches {
		total, err = r.countIndexed(ctx, share, total, "user_id", memberListByRole(query))
	}
	switch {
	case errors.Is(err, db.ErrNoRows):
		return Total{}, ErrNotFound
	case err != nil:
		return Total{}, fmt.Errorf("count members: %w", err)
	}
	return total, nil
}

func (m memberQuery) count(ctx context.Context, q db.Querier) (total Total, err error) {
	switch {
	case len(m.UserIDs) > 0:
		return countAll(ctx, q, "user_id", MaxTotal, memberListPicked(m))
	case m.Role == "":
		err = q.QueryRow(ctx, "SELECT user_count FROM orgs WHERE account_id = $1 AND org_id = $2", m.accountID, m.OrgID).Scan(&total.Count)
		return total, err
	}
	s := memberCount(m)
	err = q.QueryRow(ctx, s.sql, s.args...).Scan(&total.Count, &total.More)
	return total, err
}

// memberCount is the counterpart of orgCount for the members with a role.
func memberCount(m memberQuery) statement {
	var s statement
	walk := s.walkMembers(m)
	s.sql = fmt.Sprintf("SELECT (SELECT count(*) FROM (SELECT roles %s LIMIT %d) AS walked WHERE %s), EXISTS (SELECT %[1]s OFFSET %[2]d LIMIT 1)",
		walk, m.nearby, s.withRole(m))
	return s
}

// count counts the matches among the first organizations of the list.
func (l listQuery) count(ctx context.Context, q db.Querier) (Total, error) {
	switch {
	case len(l.OrgIDs) > 0:
		return countAll(ctx, q, "org_id", MaxTotal, orgListPicked(l))
	case l.ExternalID != "":
		return countAll(ctx, q, "org_id", MaxTotal, orgListByExternalID(l))
	case l.ofUser() && l.IsActive != nil && !l.hasResidual():
		l.Limit = maxTotalOfUser
		return countAll(ctx, q, "org_id", maxTotalOfUser, orgListByActivity(l))
	}
	var total Total
	s := orgCount(l)
	err := q.QueryRow(ctx, s.sql, s.args...).Scan(&total.Count, &total.More)
	return total, err
}

// countAll counts the rows of a list's statement, which has the limit most+1. It counts
// only rows in which the column is not NULL.
func countAll(ctx context.Context, q db.Querier, column string, most int, s statement) (Total, error) {
	var total Total
	err := q.QueryRow(ctx, "SELECT count("+column+") FROM ("+s.sql+") AS listed", s.args...).Scan(&total.Count)
	total.More = total.Count > most
	total.Count = min(total.Count, most)
	return total, err
}

// orgCount returns the statement that counts the matches among the first organizations of
// a walk, and reports whether the walk continues.
func orgCount(q listQuery) statement {
	var s statement
	limit := MaxTotal
	if q.ofUser() {
		limit = maxTotalOfUser
	}
	walk := s.walk(q)
	walked := s.walked(q, walk, fmt.Sprint(limit))
	if !q.ofUser() && !q.hasResidual() {
		walked = fmt.Sprintf("(SELECT %s LIMIT %d) AS walked", walk, limit) // the index alone is enough to count
	}
	s.sql = fmt.Sprintf("SELECT (SELECT count(*) FROM %s WHERE %s), EXISTS (SELECT %s OFFSET %d LIMIT 1)", walked, s.residual(q), walk, limit)
	return s
}

package orgs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// importFound has the existing organizations, by their index in the block.
type importFound struct {
	byID         map[int]*importExisting
	byExternalID map[int]*importExisting
	existing     map[int]*importExisting // those that are compared
}

type importExisting struct {
	id              uuid.UUID
	name            string
	isActive        bool
	metadata        string
	externalID      string
	userCount       int
	createdAt       time.Time
	createdByUserID string
}

// The LIMITs make PostgreSQL look up each organization in an index. Without them, and with
// poor statistics, it could read all organizations of the account for each block.
const (
	importColumns = `org_id, org_name, is_active, metadata::text, external_id, user_count, created_at, created_by_user_id`

	importFind = `
SELECT asked.place - 1, true, found.*
FROM unnest($2::uuid[]) WITH ORDINALITY AS asked (org_id, place)
CROSS JOIN LATERAL (
    SELECT ` + importColumns + ` FROM orgs WHERE account_id = $1 AND org_id = asked.org_id LIMIT 1
) AS found
UNION ALL
SELECT asked.place - 1, false, found.*
FROM unnest($3::text[]) WITH ORDINALITY AS asked (external_id, place)
CROSS JOIN LATERAL (
    SELECT ` + importColumns + ` FROM orgs WHERE account_id = $1 AND external_id = asked.external_id LIMIT 1
) AS found`
)

// find looks up which organizations of the block exist, by id and by external id.
func (b *importBlock) find(ctx context.Context, q db.Querier) (importFound, error) {
	found := importFound{byID: map[int]*importExisting{}, byExternalID: map[int]*importExisting{}, existing: map[int]*importExisting{}}
	ids, externalIDs := make([]uuid.UUID, len(b.orgs)), make([]*string, len(b.orgs))
	for n := range b.orgs {
		ids[n] = b.orgs[n].ID
		if b.orgs[n].ExternalID != "" {
			externalIDs[n] = &b.orgs[n].ExternalID
		}
	}
	rows, err := q.Query(ctx, importFind, b.accountID, ids, externalIDs)
	if err != nil {
		return found, err
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		var place int
		var hasID bool
		var e importExisting
		var externalID, createdByUserID *string
		err = row.Scan(&place, &hasID, &e.id, &e.name, &e.isActive, &e.metadata, &externalID, &e.userCount, &e.createdAt, &createdByUserID)
		e.externalID, e.createdByUserID = db.OrZero(externalID), db.OrZero(createdByUserID)
		if hasID {
			found.byID[place] = &e
		} else {
			found.byExternalID[place] = &e
		}
		return none, err
	})
	return found, err
}

// differences returns the fields of the existing organization that differ. Of the members,
// it compares only the number.
func (o *ImportOrg) differences(e *importExisting) (fields []string) {
	for _, field := range []struct {
		name    string
		differs bool
	}{
		{"orgName", o.Name != e.name},
		{"externalId", o.ExternalID != "" && o.ExternalID != e.externalID},
		{"createdAt", !o.CreatedAt.IsZero() && !o.CreatedAt.Equal(e.createdAt)},
		{"isActive", o.IsActive != nil && *o.IsActive != e.isActive},
		{"metadata", o.Metadata != nil && !isMetadata(o.Metadata, e.metadata)},
		{"createdByUserId", o.CreatedByUserID != "" && o.CreatedByUserID != e.createdByUserID},
		{"members", o.Members != nil && len(o.Members) != e.userCount},
	} {
		if field.differs {
			fields = append(fields, field.name)
		}
	}
	return fields
}

func isMetadata(pairs map[string]string, stored string) bool {
	var kept map[string]string
	return json.Unmarshal([]byte(stored), &kept) == nil && maps.Equal(pairs, kept)
}

// importMembers has a LIMIT for the same reason as importFind.
const importMembers = `
SELECT asked.place, member.user_id, member.roles, member.added_at
FROM unnest($2::uuid[], $3::int[]) AS asked (org_id, place)
CROSS JOIN LATERAL (
    SELECT user_id, roles, added_at FROM org_members
    WHERE account_id = $1 AND org_id = asked.org_id AND added_at > '-infinity' -- the condition of org_members_by_added
    LIMIT 2147483647
) AS member`

// compareMembers compares the members of existing organizations, unless their number
// differs already.
func (b *importBlock) compareMembers(ctx context.Context, q db.Querier, found importFound) error {
	var ids []uuid.UUID
	var places []int32
	for place, e := range found.existing {
		if len(b.orgs[place].Members) > 0 && !slices.Contains(b.results[place].Fields, "members") {
			ids, places = append(ids, e.id), append(places, int32(place))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, importMembers, b.accountID, ids, places)
	if err != nil {
		return err
	}
	held := map[int]map[string]Member{}
	var place int
	var m Member
	_, err = pgx.ForEachRow(rows, []any{&place, &m.UserID, &m.Roles, &m.AddedAt}, func() error {
		if held[place] == nil {
			held[place] = map[string]Member{}
		}
		held[place][m.UserID] = m
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare members: %w", err)
	}
	for _, place := range places {
		if !areMembers(b.orgs[place].Members, held[int(place)]) {
			b.results[place].compared([]string{"members"})
		}
	}
	return nil
}

func areMembers(wanted []ImportMember, held map[string]Member) bool {
	for _, w := range wanted {
		h, isMember := held[w.UserID]
		if !isMember || !w.AddedAt.IsZero() && !w.AddedAt.Equal(h.AddedAt) || w.Roles != nil && !slices.Equal(w.Roles, h.Roles) {
			return false
		}
	}
	return len(wanted) == len(held)
}

package orgs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/text"
)

var (
	importOrgColumns = []string{
		"account_id", "org_id", "org_name", "org_name_folded", "is_active", "metadata", "external_id", "user_count",
		"created_at", "updated_at", "created_by_user_id", "version",
	}
	importMemberColumns = []string{"account_id", "org_id", "user_id", "roles", "added_at", "org_created_at", "org_activity"}
	importEventColumns  = []string{"account_id", "type", "org_id", "user_id", "after", "request_id", "occurred_at"}
)

// importRow is an organization to add, or one of its members.
type importRow struct {
	*ImportOrg
	member int // the member's number, from 1; 0 for the organization
}

// copyAdded adds the organizations that do not exist, their members and their events.
func (b *importBlock) copyAdded(ctx context.Context, q db.Querier) error {
	var added, members, all []importRow
	for _, n := range b.added {
		o := b.orgs[n].completed(b.moment)
		added, all = append(added, importRow{o, 0}), append(all, importRow{o, 0})
		for m := range o.Members {
			members, all = append(members, importRow{o, m + 1}), append(all, importRow{o, m + 1})
		}
	}
	for _, into := range []struct {
		table   string
		columns []string
		rows    []importRow
		values  func(importRow) ([]any, error)
	}{
		{"orgs", importOrgColumns, added, b.orgValues},
		{"org_members", importMemberColumns, members, b.memberValues},
		{"events", importEventColumns, all, b.eventValues},
	} {
		source := pgx.CopyFromSlice(len(into.rows), func(n int) ([]any, error) { return into.values(into.rows[n]) })
		if err := q.CopyFrom(ctx, into.table, into.columns, source); err != nil {
			return fmt.Errorf("copy into %s: %w", into.table, err)
		}
	}
	return nil
}

// completed returns a copy of a new organization in which unspecified fields have their
// defaults. The default times are those of the events.
func (o *ImportOrg) completed(moment time.Time) *ImportOrg {
	c := *o
	if c.CreatedAt.IsZero() {
		c.CreatedAt = moment
	}
	if c.IsActive == nil {
		active := true
		c.IsActive = &active
	}
	c.Members = slices.Clone(c.Members)
	for n := range c.Members {
		m := &c.Members[n]
		if m.AddedAt.IsZero() {
			m.AddedAt = eventTime(moment, n+1)
		}
		if m.Roles == nil {
			m.Roles = []string{}
		}
	}
	return &c
}

// eventTime returns the time of a member's event, or of the organization's if member is 0.
// Each time is a microsecond after the previous one, because no two members may have the
// same.
func eventTime(moment time.Time, member int) time.Time {
	return moment.Add(time.Duration(member) * time.Microsecond)
}

// orgValues returns the values of importOrgColumns. As after any other change, the version
// is the number of events, and updated_at is the time of the last event.
func (b *importBlock) orgValues(r importRow) ([]any, error) {
	metadata, err := encodeMetadata(r.Metadata)
	return []any{
		b.accountID, r.ID, r.Name, Fold(r.Name), *r.IsActive, metadata, db.OrNull(r.ExternalID), len(r.Members),
		r.CreatedAt, eventTime(b.moment, len(r.Members)), db.OrNull(r.CreatedByUserID), 1 + len(r.Members),
	}, err
}

func (b *importBlock) memberValues(r importRow) ([]any, error) {
	m := &r.Members[r.member-1]
	return []any{b.accountID, r.ID, m.UserID, m.Roles, m.AddedAt, r.CreatedAt, ActivityOfMembers(int64(len(r.Members)), *r.IsActive)}, nil
}

// eventValues returns the values of importEventColumns. User ids are only in the column
// user_id, where the erasure of a user finds them: the creator's in the organization's
// event, and each member's in the member's event.
func (b *importBlock) eventValues(r importRow) ([]any, error) {
	kind, user := "org.imported", r.CreatedByUserID
	org := importedOrg{Name: r.Name, ExternalID: r.ExternalID, Metadata: r.Metadata, CreatedAt: apiTime(r.CreatedAt)}
	if !*r.IsActive {
		org.IsActive = r.IsActive
	}
	var contents any = org
	if r.member > 0 {
		m := &r.Members[r.member-1]
		kind, user, contents = "org.member_imported", m.UserID, importedMember{apiTime(m.AddedAt), m.Roles}
	}
	after, err := text.MarshalJSON(contents)
	return []any{b.accountID, kind, r.ID, db.OrNull(user), string(after), b.requestID, eventTime(b.moment, r.member)}, err
}

type importedOrg struct {
	Name       string            `json:"orgName"`
	ExternalID string            `json:"externalId,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	IsActive   *bool             `json:"isActive,omitempty"` // nil if it is active
	CreatedAt  apiTime           `json:"createdAt"`
}

type importedMember struct {
	AddedAt apiTime  `json:"addedAt"`
	Roles   []string `json:"roles,omitempty"`
}

// apiTime is a time in the API's format, as the function api_time of the schema writes it.
type apiTime time.Time

// MarshalText returns the time with six fractional digits, or with none if they are all 0.
func (t apiTime) MarshalText() ([]byte, error) {
	at := time.Time(t).UTC()
	if at.Nanosecond() == 0 {
		return at.AppendFormat(nil, "2006-01-02T15:04:05Z"), nil
	}
	return at.AppendFormat(nil, "2006-01-02T15:04:05.000000Z"), nil
}

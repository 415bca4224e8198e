package seed

import (
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

var (
	orgColumns = []string{
		"account_id", "org_id", "org_name", "org_name_folded", "is_active", "metadata", "user_count",
		"created_at", "updated_at", "created_by_api_key_id", "created_by_user_id",
	}
	memberColumns = []string{"account_id", "org_id", "user_id", "added_at", "org_created_at", "org_activity"}
)

// orgRows is a pgx.CopyFromSource of the organizations of a block. pgx encodes each row
// before it requests the next one, so all rows can share one slice.
type orgRows struct {
	gen  *generator
	left block
	org  org
	row  []any
}

func newOrgRows(gen *generator, o Options, b block) *orgRows {
	s := &orgRows{gen: gen, left: b, row: make([]any, len(orgColumns))}
	s.row[0] = o.Account
	if o.APIKey != (uuid.UUID{}) {
		s.row[9] = o.APIKey
	}
	return s
}

func (s *orgRows) Next() bool {
	if s.left.from == s.left.to {
		return false
	}
	s.gen.make(s.left.from, &s.org)
	s.left.from++
	return true
}

func (s *orgRows) Values() ([]any, error) {
	o, row := &s.org, s.row
	row[1] = o.id
	row[2] = o.name
	row[3] = o.folded
	row[4] = o.isActive
	row[5] = o.metadata
	row[6] = o.userCount
	row[7] = time.UnixMicro(o.createdAt)
	row[8] = time.UnixMicro(o.updatedAt)
	row[10] = o.createdBy
	return row, nil
}

func (*orgRows) Err() error { return nil }

// memberRows is a pgx.CopyFromSource of the members of a block's organizations.
type memberRows struct {
	gen  *generator
	left block
	of   membership
	row  []any
}

func newMemberRows(gen *generator, o Options, b block) *memberRows {
	s := &memberRows{gen: gen, left: b, row: make([]any, len(memberColumns))}
	s.row[0] = o.Account
	return s
}

func (s *memberRows) Next() bool {
	for s.of.left == 0 {
		if s.left.from == s.left.to {
			return false
		}
		s.of = s.gen.membership(s.left.from)
		s.row[1] = s.of.id
		s.row[4] = time.UnixMicro(s.of.createdAt)
		s.row[5] = orgs.ActivityOfMembers(s.of.left, s.of.isActive)
		s.left.from++
	}
	return true
}

func (s *memberRows) Values() ([]any, error) {
	user, addedAt := s.of.next()
	s.row[2] = s.gen.user(user)
	s.row[3] = time.UnixMicro(addedAt)
	return s.row, nil
}

func (*memberRows) Err() error { return nil }

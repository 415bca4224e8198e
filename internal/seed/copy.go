package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// A block is the range of organizations from..to-1. One transaction adds them in this
// order, so concurrent runs wait for each other's rows without a deadlock.
type block struct {
	from, to int64
}

// add adds a block. Usually none of its organizations exist, and a plain COPY is the
// fastest way. If some exist, a second transaction adds the others.
func (s *seeder) add(ctx context.Context, b block) error {
	err := s.inTx(ctx, b, s.copyAll)
	if errors.Is(db.Translate(err), db.ErrConflict) {
		err = s.inTx(ctx, b, s.copyMissing)
	}
	if err != nil {
		return fmt.Errorf("seed: organizations %d to %d: %w", b.from, b.to-1, err)
	}
	return nil
}

// A longer pending list makes each insert into orgs_by_filter, a GIN index, cheaper.
const settings = `
	SET LOCAL statement_timeout = 0;
	SET LOCAL gin_pending_list_limit = '64MB';
	SET LOCAL work_mem = '128MB'`

// inTx runs fn in a transaction without statement_timeout, because the timeout of the pool
// is for requests.
func (s *seeder) inTx(ctx context.Context, b block, fn func(context.Context, pgx.Tx, block) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, settings); err != nil {
			return fmt.Errorf("set up the transaction: %w", err)
		}
		return fn(ctx, tx, b)
	})
}

func (s *seeder) copyAll(ctx context.Context, tx pgx.Tx, b block) error {
	return s.copyInto(ctx, tx, b, "orgs", "org_members")
}

// copyMissing adds the organizations of the block that do not exist, with their members.
// Existing organizations and their members stay unchanged, because they may have been
// edited since they were added.
func (s *seeder) copyMissing(ctx context.Context, tx pgx.Tx, b block) error {
	if _, err := tx.Exec(ctx, tempTables); err != nil {
		return fmt.Errorf("create the temporary tables: %w", err)
	}
	if err := s.copyInto(ctx, tx, b, "seed_orgs", "seed_org_members"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, orgInsertMissing); err != nil {
		return fmt.Errorf("insert the missing organizations: %w", err)
	}
	return nil
}

func (s *seeder) copyInto(ctx context.Context, tx pgx.Tx, b block, orgTable, memberTable string) error {
	rows := newOrgRows(&s.gen, s.options, b)
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{orgTable}, orgColumns, rows); err != nil {
		return fmt.Errorf("copy into %s: %w", orgTable, err)
	}
	if s.options.Members == 0 {
		return nil
	}
	members := newMemberRows(&s.gen, s.options, b)
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{memberTable}, memberColumns, members); err != nil {
		return fmt.Errorf("copy into %s: %w", memberTable, err)
	}
	return nil
}

const tempTables = `
	CREATE TEMP TABLE seed_orgs (LIKE orgs INCLUDING DEFAULTS) ON COMMIT DROP;
	CREATE TEMP TABLE seed_org_members (LIKE org_members INCLUDING DEFAULTS) ON COMMIT DROP`

// orgInsertMissing ignores conflicts between organizations, but not between members: a
// member that was left out would make the user_count of its organization wrong.
var orgInsertMissing = strings.NewReplacer(
	"{orgs}", strings.Join(orgColumns, ", "),
	"{members}", strings.Join(memberColumns, ", "),
).Replace(`
	WITH added AS (
		INSERT INTO orgs ({orgs})
		SELECT {orgs} FROM seed_orgs
		ON CONFLICT (account_id, org_id) DO NOTHING
		RETURNING account_id, org_id
	)
	INSERT INTO org_members ({members})
	SELECT {members} FROM seed_org_members JOIN added USING (account_id, org_id)`)

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
	row[8] = time.UnixMicro(max(o.updatedAt, o.createdAt+o.userCount)) // not before the last member was added
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

package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
)

// A block is the organizations from..to-1. One transaction adds them in this order, so
// concurrent runs wait for each other's rows without a deadlock.
type block struct {
	from, to int64
}

// add adds a block. Usually none of it exists, and a plain COPY is the fastest way. If some
// of it exists, a second transaction adds the rest.
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

// copyMissing adds the organizations of the block that do not exist, with their members. An
// existing organization may have been changed since, so it and its members stay as they
// are.
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
	CREATE TEMP TABLE seed_org_members (LIKE org_members) ON COMMIT DROP`

// orgInsertMissing does not ignore conflicts of members: an organization that the same
// statement adds cannot have any, and a missing member would make its user_count wrong.
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

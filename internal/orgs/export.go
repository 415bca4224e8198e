package orgs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Exported is an organization with all its members.
type Exported struct {
	Org     // without UserCount, UpdatedAt, CreatedByAPIKeyID, Revision and Version
	Members []Member
}

// exportPage is the number of organizations that one statement of Export reads.
const exportPage = 1000

// exportSettings removes the time limits, because Export waits for the reader of its
// output. It selects the names from pg_settings, because PostgreSQL before 17 has no
// transaction_timeout.
const exportSettings = `
SELECT set_config(name, '0', true)
FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`

const (
	exportCount = `
SELECT count(*)
FROM orgs
WHERE account_id = $1`

	exportNext = `
SELECT org.org_id, org_name, is_active, metadata::text, created_at, created_by_user_id, external_id, users, roles, added
FROM (
    SELECT org_id, org_name, is_active, metadata, created_at, created_by_user_id, external_id
    FROM orgs
    WHERE account_id = $1 AND (created_at, org_id) > ($2, $3)
    ORDER BY created_at, org_id
    LIMIT $4
) AS org
CROSS JOIN LATERAL (
    SELECT array_agg(user_id) AS users, array_agg(array_to_string(roles, ',')) AS roles, array_agg(added_at) AS added
    FROM (
        SELECT user_id, roles, added_at
        FROM org_members
        WHERE account_id = $1 AND org_id = org.org_id AND added_at > '-infinity' -- the condition of org_members_by_added
        ORDER BY added_at
    ) AS member
) AS members
ORDER BY created_at, org_id`
)

// Export calls use for each organization of the account, oldest first, with its members in
// the order in which they were added. Before that, it calls begin with the number of
// organizations. Everything is read from one snapshot, which is kept until the last call
// of use has returned. Errors: ErrUnavailable, and those of use.
func (r *Repository) Export(ctx context.Context, accountID uuid.UUID, begin func(total int), use func(*Exported) error) error {
	err := r.db.For(accountID).WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
			return err
		}
		if _, err := q.Exec(ctx, exportSettings); err != nil {
			return err
		}
		var total int
		if err := q.QueryRow(ctx, exportCount, accountID).Scan(&total); err != nil {
			return err
		}
		begin(total)
		var last Exported
		for read := exportPage; read == exportPage; {
			rows, err := q.Query(ctx, exportNext, accountID, last.CreatedAt, last.ID, exportPage)
			if err != nil {
				return err
			}
			read, err = readExported(rows, &last, use)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("export organizations: %w", err)
	}
	return nil
}

// readExported calls use for each row of exportNext, and returns the number of rows. It
// leaves the last organization in e.
func readExported(rows pgx.Rows, e *Exported, use func(*Exported) error) (read int, err error) {
	var metadata string
	var createdByUserID, externalID *string
	var users, roles []string
	var added []time.Time
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.Name, &e.IsActive, &metadata, &e.CreatedAt, &createdByUserID, &externalID, &users, &roles, &added}, func() error {
		read++
		e.Metadata, e.CreatedByUserID, e.ExternalID = Metadata(metadata), db.OrZero(createdByUserID), db.OrZero(externalID)
		e.Members = e.Members[:0]
		for n, user := range users {
			m := Member{UserID: user, AddedAt: added[n]}
			if roles[n] != "" {
				m.Roles = strings.Split(roles[n], ",")
			}
			e.Members = append(e.Members, m)
		}
		return use(e)
	})
	return read, err
}

package orgs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

var (
	// ErrNoAccount means that the account does not exist.
	ErrNoAccount = errors.New("orgs: no such account")
	// ErrSuspended means that the account is suspended.
	ErrSuspended = errors.New("orgs: account is suspended")
)

// ImportOrg is an organization to import. Fields that are nil or zero are unspecified: in
// a new organization they get their defaults, and in an existing one they may have any
// value.
type ImportOrg struct {
	ID         uuid.UUID // the id of the organization, if it is new
	IDIsOwn    bool      // the source has chosen the ID, so the existing organization is found by ID only, and not by ExternalID
	Name       string    // as ValidName returns it
	ExternalID string
	Metadata   map[string]string
	CreatedAt  time.Time
	IsActive   *bool
	Members    []ImportMember // each user at most once

	CreatedByUserID string
}

// ImportMember is a member of an organization to import. As in ImportOrg, fields that are
// nil or zero are unspecified.
type ImportMember struct {
	UserID  string
	AddedAt time.Time
	Roles   []string // sorted
}

// ImportOutcome says what an import did with an organization.
type ImportOutcome int

const (
	// ImportAdded means that the organization is new.
	ImportAdded ImportOutcome = iota
	// ImportPresent means that the organization already exists, with the same values.
	ImportPresent
	// ImportDiffers means that the organization already exists, with other values. It is
	// left unchanged.
	ImportDiffers
	// ImportRefused means that the organization cannot be added.
	ImportRefused
)

// ImportResult is the result for one organization of Importer.Add.
type ImportResult struct {
	Outcome ImportOutcome
	OrgID   uuid.UUID // the organization, or the one that has its external id
	Fields  []string  // the fields that differ, by their names in the API
	Reason  string    // why the organization is refused
}

// Importer imports organizations into an account. Calls of Add may be concurrent, unless
// they have organizations with the same id or external id.
type Importer struct {
	repository *Repository
	accountID  uuid.UUID
	requestID  string // of the events
	dryRun     bool
}

// NewImporter returns an importer for the account. With dryRun, Add changes nothing, but
// returns the same results.
func (r *Repository) NewImporter(accountID uuid.UUID, requestID string, dryRun bool) *Importer {
	return &Importer{repository: r, accountID: accountID, requestID: requestID, dryRun: dryRun}
}

// Add tries up to importTries times to add a block, and waits importRetry between tries.
const (
	importTries = 10
	importRetry = time.Second
)

// Add adds the organizations of the block that do not exist yet, in one transaction. It
// returns a result for each organization of the block. A new organization gets an event
// org.imported, followed by an event org.member_imported for each member. Existing
// organizations stay unchanged, so a call whose outcome is unknown can be repeated.
// Errors: ErrNoAccount, ErrSuspended, ErrUnavailable.
func (i *Importer) Add(ctx context.Context, block []ImportOrg) (results []ImportResult, err error) {
	for n := range block {
		block[n].separate()
	}
	for try := 1; ; try++ {
		b := importBlock{Importer: i, orgs: block, results: make([]ImportResult, len(block))}
		err = i.repository.db.For(i.accountID).WriteTx(ctx, b.run)
		switch {
		case err == nil:
			if len(b.added) > 0 && !i.dryRun {
				i.repository.changed(i.accountID)
			}
			return b.results, nil
		case try == importTries || !errors.Is(err, db.ErrConflict) && !errors.Is(err, db.ErrUnavailable):
			return nil, fmt.Errorf("import organizations: %w", err)
		}
		// With ErrConflict, another client has created one of the organizations in the
		// meantime, and the next try finds it.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(importRetry):
		}
	}
}

// separate sorts the members by the time at which they were added, and moves equal times
// apart by a microsecond, because no two members of an organization may have the same
// time. Members without a time come last.
func (o *ImportOrg) separate() {
	slices.SortStableFunc(o.Members, func(a, b ImportMember) int {
		if a.AddedAt.IsZero() || b.AddedAt.IsZero() {
			return boolInt(a.AddedAt.IsZero()) - boolInt(b.AddedAt.IsZero())
		}
		return a.AddedAt.Compare(b.AddedAt)
	})
	for n := 1; n < len(o.Members); n++ {
		before, m := o.Members[n-1].AddedAt, &o.Members[n]
		if !m.AddedAt.IsZero() && !m.AddedAt.After(before) {
			m.AddedAt = before.Add(time.Microsecond)
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// importBlock is one try to add a block.
type importBlock struct {
	*Importer
	orgs    []ImportOrg
	results []ImportResult
	moment  time.Time // the time of the import, by the database's clock
	added   []int     // the indexes in orgs of those that do not exist yet
}

// importSettings replaces the time limits of the pool, the role or the database, which are
// meant for requests. PostgreSQL before 17 has no transaction_timeout.
const importSettings = `
SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '5s' ELSE '0' END, true)
FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'lock_timeout')`

func (b *importBlock) run(ctx context.Context, q db.Querier) error {
	if _, err := q.Exec(ctx, importSettings); err != nil {
		return err
	}
	if err := q.QueryRow(ctx, importMoment).Scan(&b.moment); err != nil {
		return err
	}
	found, err := b.find(ctx, q)
	if err != nil {
		return err
	}
	b.decide(found)
	if err := b.compareMembers(ctx, q, found); err != nil {
		return err
	}
	if err := b.refuseUsed(ctx, q); err != nil {
		return err
	}
	switch {
	case b.dryRun:
		return nil
	case len(b.added) == 0:
		return b.awaitStandby(ctx, q)
	}
	if err := b.copyAdded(ctx, q); err != nil {
		return err
	}
	if err := b.checkErasures(ctx, q); err != nil {
		return err
	}
	return b.checkAccount(ctx, q)
}

// awaitStandby makes the commit wait for a synchronous standby, although nothing was
// added: an earlier try may have added these organizations, and its commit may not have
// waited.
func (b *importBlock) awaitStandby(ctx context.Context, q db.Querier) error {
	_, err := q.Exec(ctx, "SELECT pg_logical_emit_message(true, 'orgd', '')")
	return err
}

// The clock of the database decides what is in the future, because all servers share it.
const importMoment = `
SELECT clock_timestamp()`

// importUsed returns the places of ids that belonged to deleted organizations. It uses the
// rule of org_id_was_used_1; calling that function for each id would take longer. With
// EXISTS, the planner would read all erasures into a hash table.
const importUsed = `
SELECT place
FROM unnest($2::uuid[], $3::int[]) AS asked (org_id, place)
WHERE (SELECT org_id FROM org_erasures WHERE account_id = $1 AND org_id = asked.org_id LIMIT 1) IS NOT NULL
   OR (SELECT id FROM events WHERE account_id = $1 AND org_id = asked.org_id ORDER BY id LIMIT 1) IS NOT NULL`

// refuseUsed refuses organizations whose ids belonged to deleted ones, so that a repeated
// import does not restore organizations that have been deleted since.
func (b *importBlock) refuseUsed(ctx context.Context, q db.Querier) error {
	ids, places := make([]uuid.UUID, len(b.added)), make([]int32, len(b.added))
	for i, n := range b.added {
		ids[i], places[i] = b.orgs[n].ID, int32(n)
	}
	rows, err := q.Query(ctx, importUsed, b.accountID, ids, places)
	if err != nil {
		return err
	}
	used, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return err
	}
	for _, n := range used {
		b.results[n].refuse("an organization with this id was deleted; the id can be used again once the events about it have expired")
	}
	b.added = slices.DeleteFunc(b.added, func(n int) bool { return slices.Contains(used, n) })
	return nil
}

// importErasures reports whether other clients created and deleted one of the
// organizations between refuseUsed and the copy. The erasure would also erase the new
// members.
const importErasures = `
SELECT EXISTS (SELECT FROM org_erasures WHERE account_id = $1 AND org_id = ANY ($2))`

// checkErasures returns db.ErrConflict if one of the organizations is being erased, so that
// Add tries again.
func (b *importBlock) checkErasures(ctx context.Context, q db.Querier) error {
	ids := make([]uuid.UUID, len(b.added))
	for i, n := range b.added {
		ids[i] = b.orgs[n].ID
	}
	var erasing bool
	err := q.QueryRow(ctx, importErasures, b.accountID, ids).Scan(&erasing)
	if err == nil && erasing {
		err = db.ErrConflict
	}
	return err
}

// importAccount keeps the account from being suspended, and so from being deleted, until
// the commit. A deletion would not see the rows that are not committed yet. The check is
// the last step, so that it notices an account that was suspended during the block.
const importAccount = `
SELECT suspended_at IS NOT NULL
FROM accounts
WHERE id = $1
FOR SHARE`

func (b *importBlock) checkAccount(ctx context.Context, q db.Querier) error {
	var suspended bool
	err := q.QueryRow(ctx, importAccount, b.accountID).Scan(&suspended)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return ErrNoAccount
	case err == nil && suspended:
		return ErrSuspended
	}
	return err
}

// Check returns ErrNoAccount or ErrSuspended if nothing can be imported into the account.
func (i *Importer) Check(ctx context.Context) error {
	b := importBlock{Importer: i}
	if err := i.repository.db.WriteTx(ctx, b.checkAccount); err != nil {
		return fmt.Errorf("import organizations: %w", err)
	}
	return nil
}

// decide sets the result of each organization. compareMembers and refuseUsed may change
// it: they compare the members of existing organizations and check the ids of new ones.
func (b *importBlock) decide(found importFound) {
	for n := range b.orgs {
		o, result := &b.orgs[n], &b.results[n]
		*result = ImportResult{OrgID: o.ID}
		existing, holder := found.byID[n], found.byExternalID[n]
		if holder != nil && !o.IDIsOwn {
			existing = holder
		}
		switch {
		case existing != nil:
			result.OrgID = existing.id
			result.compared(o.differences(existing))
			found.existing[n] = existing
		case holder != nil:
			result.OrgID = holder.id
			result.refuse(fmt.Sprintf("externalId %q belongs to another organization", o.ExternalID))
		case o.isAfter(b.moment):
			result.refuse("createdAt and addedAt must not be in the future")
		default:
			b.added = append(b.added, n)
		}
	}
}

// isAfter reports whether one of the organization's times is after the moment. For the
// members' times it allows a microsecond per member, because separate may have moved them.
func (o *ImportOrg) isAfter(moment time.Time) bool {
	last := moment.Add(time.Duration(len(o.Members)) * time.Microsecond)
	return o.CreatedAt.After(moment) || slices.ContainsFunc(o.Members, func(m ImportMember) bool { return m.AddedAt.After(last) })
}

func (r *ImportResult) refuse(reason string) { r.Outcome, r.Reason = ImportRefused, reason }

func (r *ImportResult) compared(differences []string) {
	if r.Fields = append(r.Fields, differences...); len(r.Fields) > 0 {
		r.Outcome = ImportDiffers
		return
	}
	r.Outcome = ImportPresent
}

package dbtest

import (
	"context"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// Account creates an account.
func (d *DB) Account(t testing.TB) uuid.UUID {
	t.Helper()
	id := uuid.NewV7()
	d.Exec(t, `INSERT INTO accounts (id, name) VALUES ($1, 'Test')`, id)
	return id
}

// Key creates a key for the account and returns it as plain text. If no scopes are given,
// the key gets all scopes.
func (d *DB) Key(t testing.TB, account uuid.UUID, scopes ...apikeys.Scope) string {
	t.Helper()
	if len(scopes) == 0 {
		scopes = apikeys.Scopes
	}
	made, err := apikeys.NewRepository(d.Conns).Create(context.Background(),
		apikeys.ByOperator(account), apikeys.NewAPIKey{Description: "Test", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return made.Key.Reveal()
}

// Org creates an organization of the account. Zero fields of o get defaults: the id, the
// name, the metadata, the times and the revision.
func (d *DB) Org(t testing.TB, account uuid.UUID, o orgs.Org) orgs.Org {
	t.Helper()
	if o.ID == (uuid.UUID{}) {
		o.ID = uuid.NewV7()
	}
	if o.Name == "" {
		o.Name = "Acme"
	}
	if o.Metadata == "" {
		o.Metadata = "{}"
	}
	if o.CreatedAt.IsZero() {
		o.CreatedAt = time.Now().UTC().Truncate(time.Microsecond)
	}
	if o.UpdatedAt.IsZero() {
		o.UpdatedAt = o.CreatedAt
	}
	if o.Revision == 0 {
		o.Revision = 1
	}
	d.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, metadata, user_count,
                  created_at, updated_at, created_by_api_key_id, created_by_user_id, external_id, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, $12::uuid), nullif($11, ''), nullif($13, ''), $14)`,
		account, o.ID, o.Name, orgs.Fold(o.Name), o.IsActive, string(o.Metadata), o.UserCount,
		o.CreatedAt, o.UpdatedAt, o.CreatedByAPIKeyID, o.CreatedByUserID, uuid.UUID{}, o.ExternalID, o.Revision)
	return o
}

// Member makes the user a member of the organization.
func (d *DB) Member(t testing.TB, account uuid.UUID, o orgs.Org, user string) {
	t.Helper()
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at, org_activity)
VALUES ($1, $2, $3, greatest(clock_timestamp(), (SELECT max(added_at) + interval '1 microsecond' FROM org_members WHERE org_id = $2)), $4, $5)`,
		account, o.ID, user, o.CreatedAt, orgs.ActivityOfMembers(int64(o.UserCount), o.IsActive))
}

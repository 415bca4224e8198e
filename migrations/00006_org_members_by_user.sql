-- +goose Up
-- A copy of the organization's created_at, which never changes, to walk the
-- organizations of one user in the order of the list.
ALTER TABLE org_members ADD COLUMN org_created_at timestamptz;

UPDATE org_members AS m SET org_created_at = o.created_at
FROM orgs AS o WHERE o.account_id = m.account_id AND o.org_id = m.org_id;

ALTER TABLE org_members
    ALTER COLUMN org_created_at SET NOT NULL,
    ADD CONSTRAINT org_members_org_created_at_finite CHECK (isfinite(org_created_at));

CREATE INDEX org_members_by_user ON org_members (account_id, user_id, org_created_at DESC, org_id DESC);
CREATE INDEX org_members_by_added ON org_members (account_id, org_id, added_at DESC, user_id DESC);

-- +goose Down
DROP INDEX org_members_by_added;
ALTER TABLE org_members DROP COLUMN org_created_at; -- also drops org_members_by_user

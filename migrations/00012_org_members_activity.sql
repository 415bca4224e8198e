-- +goose Up
-- Whether the organization is active, on the row of each member: 1 yes, 0 no, -1 look at
-- the organization. With it, a user's active or deactivated organizations are a range of
-- an index. Rows of organizations with more than 1,000 members have -1, so a change of
-- activity writes at most 1,000 rows.
--
-- Existing rows read as 1 without a rewrite; 00015 corrects those that should not. Rows
-- written by a release that does not know the column get -1.
ALTER TABLE org_members
    ADD COLUMN org_activity smallint NOT NULL DEFAULT 1,
    ADD CONSTRAINT org_members_org_activity_known CHECK (org_activity IN (-1, 0, 1)) NOT VALID;
ALTER TABLE org_members ALTER COLUMN org_activity SET DEFAULT -1;

-- +goose Down
ALTER TABLE org_members DROP COLUMN org_activity;

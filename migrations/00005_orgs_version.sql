-- +goose Up
-- Rises with every change of the row: the entity tag of an organization.
ALTER TABLE orgs ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE orgs DROP COLUMN version;

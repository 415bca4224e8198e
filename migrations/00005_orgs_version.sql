-- +goose Up
-- Increases with every change of the row. It is the organization's entity tag.
ALTER TABLE orgs ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE orgs DROP COLUMN version;

-- +goose Up
-- The oldest release that this schema supports, as the version of that release's newest
-- migration. A migration that removes something that older releases use raises it.
-- Servers of those releases then refuse to start, and running ones fail their readiness
-- probe.
CREATE TABLE schema_floor (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT schema_floor_only_row CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO schema_floor (version) VALUES (13);

-- +goose Down
DROP TABLE schema_floor;

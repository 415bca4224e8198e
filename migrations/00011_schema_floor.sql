-- +goose Up
-- The oldest release that this schema still serves, by the version of its newest
-- migration. A migration that takes away what older releases use raises it; such a
-- release then refuses to start, and tells its probes.
CREATE TABLE schema_floor (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT schema_floor_only_row CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO schema_floor (version) VALUES (10);

-- +goose Down
DROP TABLE schema_floor;

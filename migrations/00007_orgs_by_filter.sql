-- +goose Up
-- The characters and the pairs of adjacent characters of a name, by which a name
-- too short to have a trigram is found.
CREATE FUNCTION org_name_grams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN string_to_array(name, NULL)
        || ARRAY(SELECT substr(name, i, 2) FROM generate_series(1, char_length(name) - 1) AS i);

-- One index for all filters: GIN intersects their columns within itself, led by
-- the rarest, where of several indexes each would give all that it has.
CREATE INDEX orgs_by_filter ON orgs USING gin (
    account_id,
    org_name_folded gin_trgm_ops,
    org_name_grams(org_name_folded),
    metadata jsonb_path_ops
);
-- Last, and brief: names are looked up in it while the other is built.
DROP INDEX orgs_by_name;

-- +goose Down
CREATE INDEX orgs_by_name ON orgs USING gin (account_id, org_name_folded gin_trgm_ops);
DROP INDEX orgs_by_filter;
DROP FUNCTION org_name_grams(text);

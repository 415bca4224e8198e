-- +goose Up
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- A CHECK cannot contain a subquery, but a function that it calls can. PL/pgSQL keeps the
-- plan of its subquery for the session. A function in SQL would be planned again for each
-- insert and update of an organization, even if its metadata does not change.
-- +goose StatementBegin
CREATE FUNCTION org_metadata_is_valid(metadata jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF jsonb_typeof(metadata) <> 'object' THEN
        RETURN false;
    ELSIF metadata = '{}' THEN
        RETURN true;
    END IF;
    RETURN (
        SELECT count(*) <= 50
            AND bool_and(char_length(pair.key) BETWEEN 1 AND 100)
            AND bool_and(jsonb_typeof(pair.value) = 'string')
            AND bool_and(char_length(pair.value #>> '{}') <= 1000)
        FROM jsonb_each(metadata) AS pair);
END
$$;
-- +goose StatementEnd

-- The characters and pairs of adjacent characters of a name, to search for names that
-- are too short for a trigram. The name is cut into pairs twice, from the first and
-- from the second character, at a mark that no name contains; a remaining single
-- character does no harm. This takes half the time of a substr for each pair, which
-- matters: a search with metadata computes the grams of each row again, to recheck it.
CREATE FUNCTION org_name_grams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN string_to_array(name, NULL) || string_to_array(
        regexp_replace(name, '..', E'\\&\x01', 'g') || E'\x01' || regexp_replace(substr(name, 2), '..', E'\\&\x01', 'g'),
        E'\x01');

-- A walk through the pages relies on (created_at, org_id) never changing. No function
-- changes them, and deploy/postgres/roles.sql lets the server change only other columns.
--
-- No index has a column that a change of the membership writes. With the space that
-- fillfactor leaves, these changes are HOT.
CREATE TABLE orgs (
    account_id            uuid        NOT NULL,
    org_id                uuid        NOT NULL,
    org_name              text        NOT NULL,
    -- The name as the name filter compares it.
    org_name_folded       text        NOT NULL,
    is_active             boolean     NOT NULL DEFAULT true,
    metadata              jsonb       NOT NULL DEFAULT '{}',
    external_id           text COLLATE "C",
    user_count            integer     NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    created_by_api_key_id uuid,
    created_by_user_id    text COLLATE "C",
    -- version rises with every change of the row or its members; it is the entity tag.
    -- revision rises with the organization's own data only.
    version               bigint      NOT NULL DEFAULT 1,
    revision              bigint      NOT NULL DEFAULT 1,

    CONSTRAINT orgs_pkey PRIMARY KEY (account_id, org_id),
    CONSTRAINT orgs_name_length CHECK (char_length(org_name) BETWEEN 1 AND 255),
    CONSTRAINT orgs_name_trimmed CHECK (org_name = btrim(org_name)),
    CONSTRAINT orgs_name_printable CHECK (org_name !~ '[\u0001-\u001f\u007f-\u009f]'),
    CONSTRAINT orgs_metadata_valid CHECK (org_metadata_is_valid(metadata)),
    CONSTRAINT orgs_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255),
    CONSTRAINT orgs_created_by_user_id_length CHECK (char_length(created_by_user_id) BETWEEN 1 AND 255),
    CONSTRAINT orgs_user_count_not_negative CHECK (user_count >= 0),
    CONSTRAINT orgs_times_finite CHECK (isfinite(created_at) AND isfinite(updated_at))
) WITH (fillfactor = 85);

-- A new version of the folding rule needs a new column: see CONTRIBUTING.md.
COMMENT ON COLUMN orgs.org_name_folded IS 'orgs.Fold, version 1';

CREATE INDEX orgs_by_created ON orgs (account_id, created_at DESC, org_id DESC);
CREATE INDEX orgs_by_active ON orgs (account_id, is_active, created_at DESC, org_id DESC);
-- Finds what the erasure of a user must change.
CREATE INDEX orgs_by_creator ON orgs (account_id, created_by_user_id) WHERE created_by_user_id IS NOT NULL;
CREATE UNIQUE INDEX orgs_by_external_id ON orgs (account_id, external_id) WHERE external_id IS NOT NULL;

-- One index for all filters: GIN intersects its columns internally, starting with the
-- rarest value, while separate indexes would each return all their matches. The order
-- of the grams does not matter, and with the collation "C" inserts cost a sixth less.
-- Activity is an integer, because the planner turns "= false" into a NOT, which GIN
-- cannot look up.
CREATE INDEX orgs_by_filter ON orgs USING gin (
    account_id,
    (is_active::integer),
    org_name_folded gin_trgm_ops,
    org_name_grams(org_name_folded) COLLATE "C",
    metadata jsonb_path_ops
);

-- +goose Down
DROP TABLE orgs;
DROP FUNCTION org_name_grams(text);
DROP FUNCTION org_metadata_is_valid(jsonb);
-- The extensions stay: they may be older than this schema, or used by others.

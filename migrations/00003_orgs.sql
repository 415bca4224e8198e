-- +goose Up
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- A CHECK cannot contain a subquery, but a function that it calls can. In PL/pgSQL, the
-- plan of the subquery is kept for the session. A function in SQL would be planned again
-- for each insert and update of an organization, even if the metadata does not change.
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

-- Returns the characters of a name and its pairs of adjacent characters, for searches
-- whose text is too short for a trigram. Two passes make the pairs, starting at the first
-- and at the second character. Each pass puts U+0001, which no name contains, after every
-- pair. A single character that is left over at the end is harmless. This takes half the
-- time of a substr for each pair. The time matters because a search with metadata rechecks
-- each row that it finds, and computes the row's grams for that.
CREATE FUNCTION org_name_grams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN string_to_array(name, NULL) || string_to_array(
        regexp_replace(name, '..', E'\\&\x01', 'g') || E'\x01' || regexp_replace(substr(name, 2), '..', E'\\&\x01', 'g'),
        E'\x01');

-- Returns the beginning of a folded name, at most 120 bytes, by which lists are ordered.
-- A cursor and an index entry have room for it, but not for the longest name.
-- +goose StatementBegin
CREATE FUNCTION org_name_cut(name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    name := left(name, 120);
    WHILE octet_length(name) > 120 LOOP
        -- A character has at most 4 bytes.
        name := left(name, -((octet_length(name) - 120 + 3) / 4));
    END LOOP;
    RETURN name;
END
$$;
-- +goose StatementEnd
-- Most names are short. PostgreSQL inlines this function, so they cost no function call.
CREATE FUNCTION org_name_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN octet_length(name) <= 120 THEN name ELSE org_name_cut(name) END;

-- Paging relies on created_at and org_id, which never change: no function changes them,
-- and deploy/postgres/roles.sql does not let the server update them.
--
-- A change of members updates only columns that no index contains. With the free space
-- that fillfactor leaves in each page, these updates are HOT (heap-only tuples).
CREATE TABLE orgs (
    account_id            uuid        NOT NULL,
    org_id                uuid        NOT NULL,
    org_name              text        NOT NULL,
    -- The name in the form that the name filter compares.
    org_name_folded       text        NOT NULL,
    is_active             boolean     NOT NULL DEFAULT true,
    metadata              jsonb       NOT NULL DEFAULT '{}',
    external_id           text COLLATE "C",
    user_count            integer     NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    created_by_api_key_id uuid,
    created_by_user_id    text COLLATE "C",
    -- version increases with every change of the row or its members. It is the entity tag
    -- (ETag). revision increases only when an update changes the organization's own fields.
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
CREATE INDEX orgs_by_name ON orgs (account_id, (org_name_key(org_name_folded) COLLATE "C"), org_id);
-- Finds the organizations that a user created, to erase the user.
CREATE INDEX orgs_by_creator ON orgs (account_id, created_by_user_id) WHERE created_by_user_id IS NOT NULL;
CREATE UNIQUE INDEX orgs_by_external_id ON orgs (account_id, external_id) WHERE external_id IS NOT NULL;

-- One index serves all filters: GIN intersects the columns of one index internally,
-- starting with the rarest value, while separate indexes would each return all their
-- matches. The grams use the collation "C", which makes inserts cost a sixth less; their
-- order does not matter. is_active is indexed as an integer, because the planner turns a
-- comparison with false into a NOT, which GIN cannot look up.
CREATE INDEX orgs_by_filter ON orgs USING gin (
    account_id,
    (is_active::integer),
    org_name_folded gin_trgm_ops,
    org_name_grams(org_name_folded) COLLATE "C",
    metadata jsonb_path_ops
);

-- +goose Down
DROP TABLE orgs;
DROP FUNCTION org_name_key(text);
DROP FUNCTION org_name_cut(text);
DROP FUNCTION org_name_grams(text);
DROP FUNCTION org_metadata_is_valid(jsonb);
-- The extensions are kept: they may have existed before, or may be in use elsewhere.

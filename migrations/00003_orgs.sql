-- +goose Up
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- A CHECK cannot contain a subquery, but a function that it calls can. The body is
-- parsed at creation (SQL-standard form), so a search_path cannot change its meaning.
CREATE FUNCTION org_metadata_is_valid(metadata jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN jsonb_typeof(metadata) <> 'object' THEN false
        WHEN metadata = '{}' THEN true
        ELSE (
            SELECT count(*) <= 50
                AND bool_and(char_length(pair.key) BETWEEN 1 AND 100)
                AND bool_and(jsonb_typeof(pair.value) = 'string')
                AND bool_and(char_length(pair.value #>> '{}') <= 1000)
            FROM jsonb_each(metadata) AS pair
        )
    END;

CREATE TABLE orgs (
    account_id            uuid        NOT NULL,
    org_id                uuid        NOT NULL,
    org_name              text        NOT NULL,
    -- The name without case and accents (orgs.Fold), for the name filter.
    org_name_folded       text        NOT NULL,
    is_active             boolean     NOT NULL DEFAULT true,
    metadata              jsonb       NOT NULL DEFAULT '{}',
    user_count            integer     NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    created_by_api_key_id uuid,
    created_by_user_id    uuid,

    CONSTRAINT orgs_pkey PRIMARY KEY (account_id, org_id),
    CONSTRAINT orgs_account_fkey FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT orgs_name_length CHECK (char_length(org_name) BETWEEN 1 AND 255),
    CONSTRAINT orgs_name_trimmed CHECK (org_name = btrim(org_name)),
    CONSTRAINT orgs_name_printable CHECK (org_name !~ '[\u0001-\u001f\u007f-\u009f]'),
    CONSTRAINT orgs_metadata_valid CHECK (org_metadata_is_valid(metadata)),
    CONSTRAINT orgs_user_count_not_negative CHECK (user_count >= 0),
    CONSTRAINT orgs_times_finite CHECK (isfinite(created_at) AND isfinite(updated_at))
);

-- A walk through the pages relies on (created_at, org_id) never changing.
-- +goose StatementBegin
CREATE FUNCTION orgs_refuse_new_position() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'created_at and org_id of an organization never change'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orgs_position_immutable';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER orgs_position_immutable
    BEFORE UPDATE OF created_at, org_id, account_id ON orgs
    FOR EACH ROW
    WHEN ((OLD.created_at, OLD.org_id, OLD.account_id) IS DISTINCT FROM (NEW.created_at, NEW.org_id, NEW.account_id))
    EXECUTE FUNCTION orgs_refuse_new_position();

CREATE INDEX orgs_by_created ON orgs (account_id, created_at DESC, org_id DESC);
CREATE INDEX orgs_by_active ON orgs (account_id, is_active, created_at DESC, org_id DESC);
CREATE INDEX orgs_by_name ON orgs USING gin (account_id, org_name_folded gin_trgm_ops);

-- +goose Down
DROP TABLE orgs;
DROP FUNCTION orgs_refuse_new_position();
DROP FUNCTION org_metadata_is_valid(jsonb);
-- The extensions stay: they may be older than this schema, or used by others.

-- +goose Up
-- Returns the entries of a member in org_members_by_role: for each role, the ids of the
-- account and of the organization, and the role, separated by colons.
CREATE FUNCTION org_member_roles(account uuid, org uuid, roles text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT account::text || ':' || org::text || ':' || role FROM unnest(roles) AS role);

-- In PL/pgSQL, the subexpressions are planned once in a session. A single expression on
-- all roles, without a function, takes longer: a regular expression that counts to 64 is
-- slow.
-- +goose StatementBegin
CREATE FUNCTION org_roles_are_valid(roles text[]) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY roles LOOP
        IF role IS NULL OR octet_length(role) NOT BETWEEN 1 AND 64 OR role COLLATE "C" ~ '[^A-Za-z0-9:_.-]' THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- There is no foreign key to orgs. Every change of a membership locks the organization's
-- row first. A worker removes the members of a deleted organization later, in small
-- transactions.
CREATE TABLE org_members (
    account_id     uuid             NOT NULL,
    org_id         uuid             NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    -- Sorted, without duplicates.
    roles          text[]           NOT NULL DEFAULT '{}',
    -- Later than the added_at of every member who was added to the organization earlier.
    added_at       timestamptz      NOT NULL DEFAULT now(),
    -- A copy of the organization's created_at, which never changes. With it, an index
    -- returns the organizations of one user in the order of the list.
    org_created_at timestamptz      NOT NULL,
    -- 1 if the organization is active, 0 if it is deactivated, -1 if only orgs.is_active
    -- says which. With this column, a user's active or deactivated organizations are one
    -- range of an index. The members of an organization with more than 1,000 members have
    -- -1, so that a change of its activity writes at most 1,000 of these rows. When an
    -- organization shrinks to 1,000 members, rows with -1 keep it until the next change
    -- of its activity.
    org_activity   smallint         NOT NULL DEFAULT -1,

    CONSTRAINT org_members_pkey PRIMARY KEY (account_id, org_id, user_id),
    CONSTRAINT org_members_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    CONSTRAINT org_members_roles_count CHECK (cardinality(roles) <= 10),
    -- Most members have no roles, and need no function call.
    CONSTRAINT org_members_roles_valid CHECK (roles = '{}' OR org_roles_are_valid(roles)),
    CONSTRAINT org_members_org_activity_known CHECK (org_activity IN (-1, 0, 1)),
    CONSTRAINT org_members_times_finite CHECK (isfinite(added_at) AND isfinite(org_created_at))
);

-- Every row satisfies the WHERE conditions of the next two indexes. Only queries that
-- read in the order of such an index repeat its condition, so the planner cannot use the
-- index for others. Otherwise the planner could look up a single member by reading all
-- members of an organization, or all organizations of a user, if it estimates that these
-- are few.
--
-- The first index has the order of the list of members.
CREATE UNIQUE INDEX org_members_by_added ON org_members (account_id, org_id, added_at DESC) WHERE added_at > '-infinity';
-- This index has the order of the list of a user's organizations.
CREATE INDEX org_members_by_user ON org_members (account_id, user_id, org_created_at DESC, org_id DESC) WHERE org_created_at > '-infinity';
-- Queries compare the expression user_id || '', which only this index contains. If they
-- compared user_id, the planner could read all of a user's organizations in
-- org_members_by_user and filter them, when it estimates that most have the wanted
-- activity.
CREATE INDEX org_members_by_activity ON org_members (account_id, (user_id || ''), org_activity, org_created_at DESC, org_id DESC);
-- Finds the members with a rare role. Each entry combines the account, the organization
-- and the role, so a lookup reads no entries of other organizations, or of an account that
-- imported an organization with the same id. Most members have no roles, and therefore no
-- entries.
CREATE INDEX org_members_by_role ON org_members USING gin (org_member_roles(account_id, org_id, roles) COLLATE "C") WHERE roles <> '{}';

-- +goose Down
DROP TABLE org_members;
DROP FUNCTION org_roles_are_valid(text[]);
DROP FUNCTION org_member_roles(uuid, uuid, text[]);

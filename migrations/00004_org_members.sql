-- +goose Up
-- A role in an organization, as org_members_by_role has it.
CREATE FUNCTION org_member_roles(org uuid, roles text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT org::text || ':' || role FROM unnest(roles) AS role);

-- No foreign key: every change of a membership locks the organization's row first, and
-- the members of a deleted organization are removed in pieces.
CREATE TABLE org_members (
    account_id     uuid             NOT NULL,
    org_id         uuid             NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    -- Sorted, without duplicates.
    roles          text[]           NOT NULL DEFAULT '{}',
    -- Later than that of every earlier member of the organization.
    added_at       timestamptz      NOT NULL DEFAULT now(),
    -- A copy of the organization's created_at, which never changes, to walk the
    -- organizations of one user in the order of the list.
    org_created_at timestamptz      NOT NULL,
    -- Whether the organization is active: 1 yes, 0 no, -1 look at the organization. With
    -- it, a user's active or deactivated organizations are a range of an index. Members of
    -- organizations with more than 1,000 members have -1, so a change of activity writes
    -- at most 1,000 rows. When the members shrink to 1,000, their rows keep -1 until the
    -- next change of activity.
    org_activity   smallint         NOT NULL DEFAULT -1,

    CONSTRAINT org_members_pkey PRIMARY KEY (account_id, org_id, user_id),
    CONSTRAINT org_members_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    CONSTRAINT org_members_roles_count CHECK (cardinality(roles) <= 10),
    CONSTRAINT org_members_org_activity_known CHECK (org_activity IN (-1, 0, 1)),
    CONSTRAINT org_members_times_finite CHECK (isfinite(added_at) AND isfinite(org_created_at))
);

-- The conditions of the next two indexes hold for every row, but only walks in their order
-- state them. Otherwise the planner could look up one member in an index, if it estimates
-- that an organization has few members or a user few organizations, and read all of them.
--
-- The order of the list of members.
CREATE UNIQUE INDEX org_members_by_added ON org_members (account_id, org_id, added_at DESC) WHERE added_at > '-infinity';
-- The order of the list of a user's organizations.
CREATE INDEX org_members_by_user ON org_members (account_id, user_id, org_created_at DESC, org_id DESC) WHERE org_created_at > '-infinity';
-- Queries name the user by this expression, as only this index does. Otherwise the planner
-- could walk all of a user's organizations in org_members_by_user and filter them, if it
-- estimates that most have the activity.
CREATE INDEX org_members_by_activity ON org_members (account_id, (user_id || ''), org_activity, org_created_at DESC, org_id DESC);
-- Finds the members with a role that few have. Each entry combines the organization and
-- the role, so a look-up reads no entries of other organizations. Members without roles,
-- which are most, cost nothing here.
CREATE INDEX org_members_by_role ON org_members USING gin (org_member_roles(org_id, roles) COLLATE "C") WHERE roles <> '{}';

-- +goose Down
DROP TABLE org_members;
DROP FUNCTION org_member_roles(uuid, text[]);

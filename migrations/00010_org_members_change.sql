-- +goose Up
-- Returns a time in the API's format, for the contents of an event.
CREATE FUNCTION api_time(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN replace(to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z');

-- Adds members, each with a different added_at, sets the roles of members, and removes
-- members. Users who are already in the requested state are left unchanged. No user may
-- be given twice.
--
-- outcome is changed, unchanged, not_found, version (the row's version is not an expected
-- one), or inactive (the organization is deactivated, so no member can be added). Any
-- outcome other than changed leaves everything as it was.
--
-- The version rises by one for each user who is added, updated or removed, because each
-- of them has an event. The event of a new member occurs at the member's added_at. All
-- later events of the membership repeat added_at, which still identifies the membership
-- after the user has been erased from the events.
-- +goose StatementBegin
CREATE FUNCTION org_members_change_1(
    account uuid, org uuid, versions bigint[],
    add_users text[],
    add_roles text[], -- the roles of each of add_users, sorted and joined by commas; NULL keeps a member's roles
    remove_users text[],
    actor_key uuid, actor_user text, request text,
    OUT outcome text,
    OUT old_version bigint, -- the version before the change
    OUT added integer, OUT removed integer, OUT updated integer,
    OUT users integer, -- the number of members after the change
    -- The roles and added_at of the last of add_users after the change.
    OUT member_roles text[], OUT member_added_at timestamptz
)
    LANGUAGE plpgsql AS $$
DECLARE
    kept   record;
    held   text[] := '{}'; -- the current roles of each of add_users; NULL for a user who is not a member
    moment timestamptz;
    since  timestamptz; -- the added_at of a member who is removed
    one    text;
BEGIN
    SELECT version, is_active, user_count, created_at, updated_at INTO kept
    FROM orgs WHERE account_id = account AND org_id = org FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'not_found';
        RETURN;
    END IF;
    old_version := kept.version;
    IF kept.version <> ALL (versions) THEN
        outcome := 'version';
        RETURN;
    END IF;
    added := 0;
    removed := 0;
    updated := 0;
    -- This is one lookup for each user. A join could read all members of the
    -- organization, and PostgreSQL would plan it again for each call, because the plan
    -- for an array of unknown length looks more expensive.
    FOREACH one IN ARRAY coalesce(add_users, '{}') LOOP
        held := array_append(held, (
            SELECT array_to_string(roles, ',') FROM org_members
            WHERE account_id = account AND org_id = org AND user_id = one));
        IF held[cardinality(held)] IS NULL THEN
            added := added + 1;
        END IF;
    END LOOP;
    IF added > 0 AND NOT kept.is_active THEN
        outcome := 'inactive';
        RETURN;
    END IF;
    moment := greatest(clock_timestamp(), kept.updated_at);
    FOREACH one IN ARRAY coalesce(remove_users, '{}') LOOP
        DELETE FROM org_members WHERE account_id = account AND org_id = org AND user_id = one
        RETURNING roles, added_at INTO member_roles, since;
        CONTINUE WHEN NOT FOUND;
        removed := removed + 1;
        moment := moment + interval '1 microsecond';
        INSERT INTO events (account_id, type, org_id, user_id, before, actor_api_key_id, actor_user_id, request_id, occurred_at)
        VALUES (account, 'org.member_removed', org, one,
            CASE WHEN member_roles = '{}' THEN jsonb_build_object('addedAt', api_time(since))
                ELSE jsonb_build_object('addedAt', api_time(since), 'roles', member_roles) END,
            actor_key, actor_user, request, moment);
    END LOOP;
    users := kept.user_count - removed + added;
    FOR place IN 1 .. cardinality(held) LOOP
        one := add_users[place];
        member_roles := coalesce(string_to_array(coalesce(add_roles[place], held[place]), ','), '{}');
        IF held[place] IS NULL THEN
            moment := moment + interval '1 microsecond';
            member_added_at := moment;
            INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at, org_activity)
            VALUES (account, org, one, member_roles, moment, kept.created_at, CASE WHEN users > 1000 THEN -1 ELSE 1 END);
            INSERT INTO events (account_id, type, org_id, user_id, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
            VALUES (account, 'org.member_added', org, one,
                CASE WHEN member_roles = '{}' THEN '{}' ELSE jsonb_build_object('roles', member_roles) END,
                actor_key, actor_user, request, moment);
        ELSIF add_roles[place] <> held[place] THEN
            updated := updated + 1;
            moment := moment + interval '1 microsecond';
            UPDATE org_members SET roles = member_roles
            WHERE account_id = account AND org_id = org AND user_id = one
            RETURNING added_at INTO member_added_at;
            INSERT INTO events (account_id, type, org_id, user_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
            VALUES (account, 'org.member_updated', org, one,
                jsonb_build_object('addedAt', api_time(member_added_at), 'roles', string_to_array(held[place], ',')),
                jsonb_build_object('roles', member_roles),
                actor_key, actor_user, request, moment);
        ELSIF place = cardinality(held) THEN
            SELECT added_at INTO member_added_at FROM org_members
            WHERE account_id = account AND org_id = org AND user_id = one;
        END IF;
    END LOOP;
    IF added + removed + updated = 0 THEN
        outcome := 'unchanged';
        RETURN;
    END IF;
    UPDATE orgs
    SET user_count = users, version = version + added + removed + updated, updated_at = moment
    WHERE account_id = account AND org_id = org;
    IF kept.user_count <= 1000 AND users > 1000 THEN
        UPDATE org_members SET org_activity = -1
        WHERE account_id = account AND org_id = org AND org_activity <> -1;
    END IF;
    outcome := 'changed';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_members_change_1(uuid, uuid, bigint[], text[], text[], text[], uuid, text, text);
DROP FUNCTION api_time(timestamptz);

-- +goose Up
-- Makes users members, each with its own added_at, and ends memberships. What is so
-- already stays. outcome is changed, unchanged, not_found, version, or inactive if the
-- organization is deactivated and a user would become a member; then nothing changes.
-- version is that before the change.
-- +goose StatementBegin
CREATE FUNCTION org_members_change_1(
    account uuid, org uuid, versions bigint[], add_users text[], remove_users text[],
    actor_key uuid, actor_user text, request text,
    OUT outcome text, OUT old_version bigint
)
    LANGUAGE plpgsql AS $$
DECLARE
    kept   orgs;
    moment timestamptz;
    users  integer;
    edits  integer := 0;
    one    text;
BEGIN
    SELECT * INTO kept FROM orgs WHERE account_id = account AND org_id = org FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'not_found';
        RETURN;
    END IF;
    old_version := kept.version;
    IF kept.version <> ALL (versions) THEN
        outcome := 'version';
        RETURN;
    END IF;
    add_users := ARRAY(
        SELECT wanted FROM unnest(add_users) WITH ORDINALITY AS given (wanted, place)
        WHERE NOT EXISTS (SELECT FROM org_members WHERE account_id = account AND org_id = org AND user_id = wanted)
        ORDER BY place);
    IF NOT kept.is_active AND add_users <> '{}' THEN
        outcome := 'inactive';
        RETURN;
    END IF;
    users := kept.user_count;
    moment := greatest(clock_timestamp(), kept.updated_at);
    FOREACH one IN ARRAY coalesce(remove_users, '{}') LOOP
        DELETE FROM org_members WHERE account_id = account AND org_id = org AND user_id = one;
        CONTINUE WHEN NOT FOUND;
        users := users - 1;
        edits := edits + 1;
        moment := moment + interval '1 microsecond';
        INSERT INTO events (account_id, type, org_id, user_id, actor_api_key_id, actor_user_id, request_id, occurred_at)
        VALUES (account, 'org.member_removed', org, one, actor_key, actor_user, request, moment);
    END LOOP;
    FOREACH one IN ARRAY add_users LOOP
        users := users + 1;
        edits := edits + 1;
        moment := moment + interval '1 microsecond';
        INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at, org_activity)
        VALUES (account, org, one, moment, kept.created_at, CASE WHEN users > 1000 THEN -1 ELSE 1 END);
        INSERT INTO events (account_id, type, org_id, user_id, actor_api_key_id, actor_user_id, request_id, occurred_at)
        VALUES (account, 'org.member_added', org, one, actor_key, actor_user, request, moment);
    END LOOP;
    IF edits = 0 THEN
        outcome := 'unchanged';
        RETURN;
    END IF;
    UPDATE orgs
    SET user_count = users, version = version + 1, updated_at = moment
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
DROP FUNCTION org_members_change_1(uuid, uuid, bigint[], text[], text[], uuid, text, text);

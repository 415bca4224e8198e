-- +goose Up
-- Reports whether a deleted organization of the account had this id, as far as traces of
-- that organization are left. The id cannot be used again: the worker that erases the
-- deleted organization would also erase the members and events of the new one.
-- +goose StatementBegin
CREATE FUNCTION org_id_was_used_1(account uuid, org uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM org_erasures WHERE account_id = account AND org_id = org)
        -- ORDER BY makes the planner use events_by_org, whatever the statistics say.
        OR (SELECT id FROM events WHERE account_id = account AND org_id = org ORDER BY id LIMIT 1) IS NOT NULL;
END
$$;
-- +goose StatementEnd

-- Creates an organization, like org_create_1. In an import, imported is true, org may be
-- any id, and made_at and creator may be NULL. Otherwise org is a new id, made_at and
-- creator are NULL, and active is true. There are two more outcomes, after which nothing
-- has changed and made is NULL: org_id_taken, and future if made_at is in the future.
--
-- The event of an import has the field createdAt. Its user_id is the creator, so that the
-- erasure of that user finds it.
-- +goose StatementBegin
CREATE FUNCTION org_create_2(
    account uuid, org uuid, name text, folded text, pairs jsonb, own_id text,
    imported boolean, made_at timestamptz, active boolean, creator text,
    actor_key uuid, actor_user text, request text,
    -- For a call that may be retried without an idempotency key, as in org_create_1.
    equal_lock bigint, digest bytea, call uuid, owner_lock bigint,
    OUT outcome text, OUT made orgs
)
    LANGUAGE plpgsql AS $$
BEGIN
    IF made_at > now() THEN
        outcome := 'future';
        RETURN;
    END IF;
    IF equal_lock IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(equal_lock);
    END IF;
    LOOP
        -- The INSERT waits for a concurrent call with the same id or external id.
        INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, metadata, external_id, created_at,
            created_by_api_key_id, created_by_user_id)
        VALUES (account, org, name, folded, active, pairs, own_id, coalesce(made_at, now()), actor_key, coalesce(creator, actor_user))
        ON CONFLICT DO NOTHING
        RETURNING * INTO made;
        EXIT WHEN FOUND;
        SELECT * INTO made FROM orgs WHERE account_id = account AND external_id = own_id;
        IF FOUND THEN
            outcome := 'external_id_taken';
        ELSIF EXISTS (SELECT FROM orgs WHERE account_id = account AND org_id = org) THEN
            outcome := 'org_id_taken';
        END IF;
        EXIT WHEN outcome IS NOT NULL;
        -- The other organization has released the external id, or was deleted, so try again.
    END LOOP;
    IF outcome IS NULL AND imported AND org_id_was_used_1(account, org) THEN
        DELETE FROM orgs WHERE account_id = account AND org_id = org;
        made := NULL;
        outcome := 'org_id_taken';
    END IF;
    IF outcome IS NOT NULL THEN
        -- Write to the WAL, so that the commit of this repeat waits for a synchronous standby.
        -- The commit of the creation may not have waited.
        PERFORM pg_logical_emit_message(true, 'orgd', '');
        RETURN;
    END IF;
    IF equal_lock IS NOT NULL THEN
        INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner)
        VALUES (account, digest, call, org, owner_lock);
    END IF;
    INSERT INTO events (account_id, type, org_id, user_id, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
    VALUES (account, 'org.created', org,
        CASE WHEN imported THEN made.created_by_user_id END,
        jsonb_strip_nulls(jsonb_build_object('orgName', name, 'metadata', nullif(pairs, '{}'), 'externalId', own_id,
            'createdAt', CASE WHEN imported THEN api_time(made.created_at) END,
            'isActive', CASE WHEN NOT active THEN false END)),
        actor_key, actor_user, request, made.updated_at);
    outcome := 'created';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_create_2(uuid, uuid, text, text, jsonb, text, boolean, timestamptz, boolean, text, uuid, text, text, bigint, bytea, uuid, bigint);
DROP FUNCTION org_id_was_used_1(uuid, uuid);

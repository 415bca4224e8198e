-- +goose Up
-- The deleted organizations whose members and event contents a worker still has to
-- erase. A row is inserted by the deletion, and deleted when everything is erased.
CREATE TABLE org_erasures (
    account_id   uuid        NOT NULL,
    org_id       uuid        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT org_erasures_pkey PRIMARY KEY (account_id, org_id),
    CONSTRAINT org_erasures_requested_at_finite CHECK (isfinite(requested_at))
);

-- Deletes a deactivated organization and the results that are stored for retries. outcome
-- is deleted, not_found, version or revision (the row's value is not an expected one), or
-- active.
--
-- The event has no actor_user_id, because org_erase_1 would remove it anyway.
-- +goose StatementBegin
CREATE FUNCTION org_delete_1(
    account uuid, org uuid, versions bigint[], expected_revision bigint,
    actor_key uuid, request text,
    OUT outcome text, OUT kept_version bigint, OUT kept_revision bigint
)
    LANGUAGE plpgsql AS $$
DECLARE
    kept orgs;
BEGIN
    SELECT * INTO kept FROM orgs WHERE account_id = account AND org_id = org FOR UPDATE;
    IF NOT FOUND THEN
        -- Write to the WAL, so that the commit of this repeat waits for a synchronous standby.
        -- The commit of the deletion may not have waited.
        PERFORM pg_logical_emit_message(true, 'orgd', '');
        outcome := 'not_found';
        RETURN;
    END IF;
    kept_version := kept.version;
    kept_revision := kept.revision;
    IF kept.version <> ALL (versions) THEN
        outcome := 'version';
        RETURN;
    END IF;
    IF kept.revision <> expected_revision THEN
        outcome := 'revision';
        RETURN;
    END IF;
    IF kept.is_active THEN
        outcome := 'active';
        RETURN;
    END IF;
    DELETE FROM orgs WHERE account_id = account AND org_id = org;
    -- The sweeps lock rows in the same order, so that there is no deadlock.
    PERFORM FROM idempotency_keys WHERE account_id = account AND org_id = org ORDER BY created_at, key_digest FOR UPDATE;
    DELETE FROM idempotency_keys WHERE account_id = account AND org_id = org;
    PERFORM FROM unanswered_creations WHERE account_id = account AND org_id = org ORDER BY call_digest, call_id FOR UPDATE;
    DELETE FROM unanswered_creations WHERE account_id = account AND org_id = org;
    INSERT INTO org_erasures (account_id, org_id) VALUES (account, org);
    INSERT INTO events (account_id, type, org_id, actor_api_key_id, request_id, occurred_at)
    VALUES (account, 'org.deleted', org, actor_key, request, greatest(clock_timestamp(), kept.updated_at + interval '1 microsecond'));
    outcome := 'deleted';
END
$$;
-- +goose StatementEnd

-- Erases at most `most` rows of a deleted organization: first its members, then the
-- contents of its events. The first call passes '' and 0 as after_user and after_event,
-- and each further call the next_user and next_event of the previous one, so that it does
-- not read past the rows that earlier calls erased. The last call begins at '' and 0
-- again: a failover or a restore may have undone earlier calls, so only a call that looks
-- at all rows knows that nothing is left. done is then true.
--
-- No member or event of the organization can be added after its deletion, because adding
-- one locks the organization's row first.
-- +goose StatementBegin
CREATE FUNCTION org_erase_1(
    account uuid, org uuid, after_user text, after_event bigint, most integer,
    OUT next_user text, OUT next_event bigint, OUT done boolean
)
    LANGUAGE plpgsql AS $$
DECLARE
    users  text[];
    owned  bigint[];
BEGIN
    next_user := after_user;
    next_event := after_event;
    PERFORM FROM org_erasures WHERE account_id = account AND org_id = org FOR UPDATE;
    done := NOT FOUND;
    IF done THEN
        RETURN;
    END IF;
    users := ARRAY(
        SELECT user_id FROM org_members
        WHERE account_id = account AND org_id = org AND user_id > after_user
        ORDER BY user_id LIMIT most);
    IF users <> '{}' THEN
        DELETE FROM org_members WHERE account_id = account AND org_id = org AND user_id = ANY (users);
        next_user := users[cardinality(users)];
        RETURN;
    END IF;
    owned := ARRAY(
        SELECT id FROM events
        WHERE account_id = account AND org_id = org AND id > after_event
          AND (before <> '{}' OR after <> '{}' OR user_id IS NOT NULL OR actor_user_id IS NOT NULL)
        ORDER BY id LIMIT most
        FOR NO KEY UPDATE); -- every change and deletion of events locks them in this order
    IF owned <> '{}' THEN
        UPDATE events SET before = '{}', after = '{}', user_id = NULL, actor_user_id = NULL
        WHERE account_id = account AND id = ANY (owned);
        next_event := owned[cardinality(owned)];
        RETURN;
    END IF;
    IF after_user <> '' OR after_event <> 0 THEN
        next_user := '';
        next_event := 0;
        RETURN;
    END IF;
    DELETE FROM org_erasures WHERE account_id = account AND org_id = org;
    done := true;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_erase_1(uuid, uuid, text, bigint, integer);
DROP FUNCTION org_delete_1(uuid, uuid, bigint[], bigint, uuid, text);
DROP TABLE org_erasures;

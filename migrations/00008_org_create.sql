-- +goose Up
-- Each change of an organization is one function. It therefore takes one round trip, and
-- holds no lock while the server waits for the network. For PATCH, a function reached
-- 1.07 times the rate of the single SQL statement that orgd used before. Two pipelined
-- round trips (lock and read; then update with values computed in Go, and commit) reached
-- 0.73 times that rate.
--
-- A released function is never changed. A release that needs a different one adds it
-- under the next number, and a later release drops the old one. To allow tables that are
-- distributed by account, no UPDATE calls a volatile function, and each statement writes
-- one table of one account.
--
-- Each change locks the organization's row first. The changes of one organization
-- therefore run one after the other, and the ids of their events have the same order.

-- Creates an organization. outcome is created or external_id_taken. With
-- external_id_taken, nothing changes, and made is the organization that has the external
-- id.
-- +goose StatementBegin
CREATE FUNCTION org_create_1(
    account uuid, org uuid, name text, folded text, pairs jsonb, own_id text,
    actor_key uuid, actor_user text, request text,
    -- The next four parameters are for a call that may be retried without an idempotency
    -- key, and are NULL for other calls. The function holds equal_lock shared until the
    -- commit, and a retry takes it exclusively. The creation has then either committed
    -- before the retry reads, or waits for the retry.
    equal_lock bigint, digest bytea, call uuid, owner_lock bigint,
    OUT outcome text, OUT made orgs
)
    LANGUAGE plpgsql AS $$
BEGIN
    IF equal_lock IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(equal_lock);
    END IF;
    LOOP
        -- The INSERT waits for a concurrent call with the same external id.
        INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, external_id, created_by_api_key_id, created_by_user_id)
        VALUES (account, org, name, folded, pairs, own_id, actor_key, actor_user)
        ON CONFLICT (account_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
        RETURNING * INTO made;
        EXIT WHEN FOUND;
        SELECT * INTO made FROM orgs WHERE account_id = account AND external_id = own_id;
        IF FOUND THEN
            -- Write to the WAL, so that the commit of this repeat waits for a synchronous
            -- standby. The commit of the creation may not have waited.
            PERFORM pg_logical_emit_message(true, 'orgd', '');
            outcome := 'external_id_taken';
            RETURN;
        END IF;
        -- The other organization has released the external id, so try again.
    END LOOP;
    IF equal_lock IS NOT NULL THEN
        INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner)
        VALUES (account, digest, call, org, owner_lock);
    END IF;
    INSERT INTO events (account_id, type, org_id, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
    VALUES (account, 'org.created', org,
        jsonb_strip_nulls(jsonb_build_object('orgName', name, 'metadata', nullif(pairs, '{}'), 'externalId', own_id)),
        actor_key, actor_user, request, made.created_at);
    outcome := 'created';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_create_1(uuid, uuid, text, text, jsonb, text, uuid, text, text, bigint, bytea, uuid, bigint);

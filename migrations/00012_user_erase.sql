-- +goose Up
-- The users whom a worker still has to erase. A row is deleted when everything about its
-- user is erased.
CREATE TABLE user_erasures (
    account_id   uuid             NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    actor_key    uuid,
    request_id   text             NOT NULL,
    requested_at timestamptz      NOT NULL DEFAULT now(),

    CONSTRAINT user_erasures_pkey PRIMARY KEY (account_id, user_id),
    CONSTRAINT user_erasures_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    CONSTRAINT user_erasures_request_id_length CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT user_erasures_requested_at_finite CHECK (isfinite(requested_at))
);

-- The next two functions look a user up with BETWEEN and ORDER BY, so that the planner
-- can only use the index that begins with the user. With =, it would read the whole table
-- if the statistics say that the user is in many rows, even after these were erased.

-- Queues the erasure of a user if any row has the user's id. Otherwise pending is false.
-- +goose StatementBegin
CREATE FUNCTION user_erasure_request_1(
    account uuid, erased text, by_key uuid, request text,
    OUT pending boolean
)
    LANGUAGE plpgsql AS $$
BEGIN
    pending := EXISTS (SELECT FROM user_erasures WHERE account_id = account AND user_id = erased)
        OR (
            SELECT user_id FROM org_members
            WHERE account_id = account AND user_id BETWEEN erased AND erased AND org_created_at > '-infinity' -- the condition of org_members_by_user
            ORDER BY user_id LIMIT 1) IS NOT NULL
        OR (
            SELECT created_by_user_id FROM orgs
            WHERE account_id = account AND created_by_user_id BETWEEN erased AND erased
            ORDER BY created_by_user_id LIMIT 1) IS NOT NULL
        OR (
            SELECT user_id FROM events
            WHERE account_id = account AND user_id BETWEEN erased AND erased
            ORDER BY user_id LIMIT 1) IS NOT NULL
        OR (
            SELECT actor_user_id FROM events
            WHERE account_id = account AND actor_user_id BETWEEN erased AND erased
            ORDER BY actor_user_id LIMIT 1) IS NOT NULL;
    IF pending THEN
        INSERT INTO user_erasures (account_id, user_id, actor_key, request_id)
        VALUES (account, erased, by_key, request)
        ON CONFLICT (account_id, user_id) DO NOTHING;
    END IF;
    -- Write to the WAL, so that the commit of a repeat waits for a synchronous standby. The
    -- commits of the first request and of the worker may not have waited.
    PERFORM pg_logical_emit_message(true, 'orgd', '');
END
$$;
-- +goose StatementEnd

-- Erases the user in at most `most` organizations, or in at most 4 × `most` events. done
-- is true when nothing is left.
--
-- Each organization that the user was a member of or had created gets one event,
-- org.user_erased, which does not name the user. A reader of the events that has stored
-- the user needs to know what to remove: before has the added_at of the membership that
-- ended, and after says whether the creator was removed.
-- +goose StatementBegin
CREATE FUNCTION user_erase_1(account uuid, erased text, most integer, OUT done boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    wanted  user_erasures;
    found_in uuid[];
    left_by  uuid[];
    since    timestamptz[]; -- the added_at of the user in each of left_by
    made_by  uuid[];
    changed  uuid[];
    marked   bigint[];
    moment   timestamptz;
BEGIN
    SELECT * INTO wanted FROM user_erasures WHERE account_id = account AND user_id = erased FOR UPDATE;
    done := NOT FOUND;
    IF done THEN
        RETURN;
    END IF;
    found_in := ARRAY(
        SELECT org_id FROM org_members
        WHERE account_id = account AND user_id BETWEEN erased AND erased AND org_created_at > '-infinity'
        ORDER BY user_id LIMIT most);
    IF found_in = '{}' THEN
        found_in := ARRAY(
            SELECT org_id FROM orgs WHERE account_id = account AND created_by_user_id BETWEEN erased AND erased
            ORDER BY created_by_user_id LIMIT most);
    END IF;
    IF found_in <> '{}' THEN
        -- The organizations may have changed before they were locked, so they are read
        -- again.
        PERFORM FROM orgs WHERE account_id = account AND org_id = ANY (found_in) ORDER BY org_id FOR NO KEY UPDATE;
        SELECT coalesce(array_agg(org_id), '{}'), array_agg(added_at) INTO left_by, since
        FROM org_members WHERE account_id = account AND org_id = ANY (found_in) AND user_id = erased;
        made_by := ARRAY(
            SELECT org_id FROM orgs WHERE account_id = account AND org_id = ANY (found_in) AND created_by_user_id = erased);
        changed := left_by || made_by;
        moment := clock_timestamp();
        DELETE FROM org_members WHERE account_id = account AND org_id = ANY (left_by) AND user_id = erased;
        UPDATE orgs
        SET user_count = user_count - (org_id = ANY (left_by))::integer,
            created_by_user_id = nullif(created_by_user_id, erased),
            version = version + 1,
            updated_at = greatest(moment, updated_at + interval '1 microsecond')
        WHERE account_id = account AND org_id = ANY (changed);
        -- The sweep locks rows in the same order, so that there is no deadlock.
        PERFORM FROM idempotency_keys
        WHERE account_id = account AND org_id = ANY (changed) AND result #>> '{Result,CreatedByUserID}' = erased
        ORDER BY created_at, key_digest FOR UPDATE;
        UPDATE idempotency_keys SET result = jsonb_set(result, '{Result,CreatedByUserID}', '""')
        WHERE account_id = account AND org_id = ANY (changed) AND result #>> '{Result,CreatedByUserID}' = erased;
        INSERT INTO events (account_id, type, org_id, before, after, actor_api_key_id, request_id, occurred_at)
        SELECT account, 'org.user_erased', org_id,
            CASE WHEN org_id = ANY (left_by) THEN jsonb_build_object('addedAt', api_time(since[array_position(left_by, org_id)]))
                ELSE '{}' END,
            CASE WHEN org_id = ANY (made_by) THEN jsonb_build_object('createdByUserId', NULL) ELSE '{}' END,
            wanted.actor_key, wanted.request_id, updated_at
        FROM orgs WHERE account_id = account AND org_id = ANY (changed)
        ORDER BY org_id;
        RETURN;
    END IF;
    -- Every change and deletion of events locks them in this order.
    marked := ARRAY(
        SELECT id FROM events WHERE account_id = account AND user_id BETWEEN erased AND erased
        ORDER BY user_id, id LIMIT 4 * most FOR NO KEY UPDATE);
    IF marked <> '{}' THEN
        UPDATE events SET user_id = NULL WHERE account_id = account AND id = ANY (marked);
        RETURN;
    END IF;
    marked := ARRAY(
        SELECT id FROM events WHERE account_id = account AND actor_user_id BETWEEN erased AND erased
        ORDER BY actor_user_id, id LIMIT 4 * most FOR NO KEY UPDATE);
    IF marked <> '{}' THEN
        UPDATE events SET actor_user_id = NULL WHERE account_id = account AND id = ANY (marked);
        RETURN;
    END IF;
    INSERT INTO events (account_id, type, actor_api_key_id, request_id)
    VALUES (account, 'user.erased', wanted.actor_key, wanted.request_id);
    DELETE FROM user_erasures WHERE account_id = account AND user_id = erased;
    done := true;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION user_erase_1(uuid, text, integer);
DROP FUNCTION user_erasure_request_1(uuid, text, uuid, text);
DROP TABLE user_erasures;

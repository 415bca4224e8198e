-- +goose Up
-- The feed of each account that anybody has read: how far its events have positions.
--
-- removed_position is the position of the newest event that was deleted because of its
-- age, and removed_mark is that event's id. A cursor at that event has missed nothing.
CREATE TABLE feeds (
    account_id       uuid   NOT NULL,
    last_position    bigint NOT NULL DEFAULT 0,
    removed_position bigint NOT NULL DEFAULT 0,
    removed_mark     bytea,

    CONSTRAINT feeds_pkey PRIMARY KEY (account_id),
    CONSTRAINT feeds_removed_before_last CHECK (removed_position BETWEEN 0 AND last_position),
    CONSTRAINT feeds_removed_mark_length CHECK (octet_length(removed_mark) = 16)
);

-- Gives positions to at most `most` committed events that have none, in the order of
-- their ids. more is true if there may be others.
--
-- Only one call at a time numbers the events of an account. It reads the events after it
-- has the lock, so it sees all that earlier calls have numbered, and it sees only events
-- that are committed. Therefore no event appears later with a smaller position. The changes of
-- one organization run one after the other, so its events have the order of its changes.
-- A call that has nothing to number takes no lock.
-- +goose StatementBegin
CREATE FUNCTION events_number_1(account uuid, most integer, OUT last_position bigint, OUT more boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
BEGIN
    more := false;
    -- With EXISTS, PostgreSQL would read the whole table if the statistics are from a time
    -- before the events were numbered. ORDER BY makes it use events_unnumbered.
    IF (SELECT id FROM events WHERE account_id = account AND position IS NULL ORDER BY id LIMIT 1) IS NULL THEN
        last_position := coalesce((SELECT f.last_position FROM feeds f WHERE f.account_id = account), 0);
        RETURN;
    END IF;
    INSERT INTO feeds (account_id) VALUES (account) ON CONFLICT (account_id) DO NOTHING;
    SELECT f.last_position INTO last_position FROM feeds f WHERE f.account_id = account FOR NO KEY UPDATE;
    -- Every change and deletion of events locks them in this order.
    found := ARRAY(
        SELECT id FROM events WHERE account_id = account AND position IS NULL
        ORDER BY id LIMIT most FOR NO KEY UPDATE);
    IF found = '{}' THEN
        RETURN;
    END IF;
    -- width_bucket returns the place of id in found.
    UPDATE events SET position = events_number_1.last_position + width_bucket(id, found)
    WHERE account_id = account AND id = ANY (found);
    last_position := last_position + cardinality(found);
    UPDATE feeds f SET last_position = events_number_1.last_position WHERE f.account_id = account;
    more := cardinality(found) = most;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION events_number_1(uuid, integer);
DROP TABLE feeds;

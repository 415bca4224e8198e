-- +goose Up
-- The audit trail: one row for each change, written in the same transaction.
--
-- Each change of an organization locks the organization's row first, so the ids of its
-- events have the order of its changes. position is the event's place in the feed of its
-- account. It is NULL until somebody reads the feed; see events_number_1.
CREATE TABLE events (
    account_id       uuid        NOT NULL,
    id               bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    position         bigint,
    type             text        NOT NULL,
    -- What the event is about. Columns that do not apply are NULL.
    org_id           uuid,
    user_id          text COLLATE "C",
    api_key_id       uuid,
    webhook_id       uuid,
    -- Only the changed fields, named as in the API.
    before           jsonb       NOT NULL DEFAULT '{}',
    after            jsonb       NOT NULL DEFAULT '{}',
    actor_api_key_id uuid,
    actor_user_id    text COLLATE "C",
    request_id       text        NOT NULL,
    occurred_at      timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT events_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT events_type_length CHECK (char_length(type) BETWEEN 1 AND 64),
    CONSTRAINT events_request_id_length CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT events_before_is_object CHECK (jsonb_typeof(before) = 'object'),
    CONSTRAINT events_after_is_object CHECK (jsonb_typeof(after) = 'object'),
    CONSTRAINT events_occurred_at_finite CHECK (isfinite(occurred_at))
);
CREATE UNIQUE INDEX events_by_position ON events (account_id, position) WHERE position IS NOT NULL;
CREATE INDEX events_by_org ON events (account_id, org_id, id);
CREATE INDEX events_by_api_key ON events (account_id, api_key_id, id) WHERE api_key_id IS NOT NULL;
CREATE INDEX events_unnumbered ON events (account_id, id) WHERE position IS NULL;
-- The next two indexes find the events that name a user, to erase the user.
CREATE INDEX events_by_user ON events (account_id, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_actor_user ON events (account_id, actor_user_id, id) WHERE actor_user_id IS NOT NULL;

-- +goose Down
DROP TABLE events;

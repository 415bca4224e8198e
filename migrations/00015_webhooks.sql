-- +goose Up
-- The endpoints to which orgd delivers the events of an account. Each is a reader of the
-- account's feed: position and mark are the place of the last event that was delivered, or
-- skipped because of types.
--
-- A worker of one server at a time delivers for an endpoint. worker is its id. term
-- counts the leases, and generation counts the calls that move the position or change
-- where the events go. A worker cannot store progress of an older term or generation.
--
-- due_at is when a worker should try next. It is NULL if the endpoint has everything, if
-- a worker holds it, or if it is disabled. Nobody updates this table when an event is
-- written: the workers look for endpoints with new events.
CREATE TABLE webhooks (
    account_id       uuid        NOT NULL,
    id               uuid        NOT NULL,
    url              text        NOT NULL,
    description      text        NOT NULL,
    types            text[]      NOT NULL, -- of the events to deliver; empty for all
    secret           bytea       NOT NULL, -- not hashed, because it signs
    old_secret       bytea,                -- signs too until old_secret_until
    old_secret_until timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz,
    disabled_reason  text,
    created_by_api_key_id uuid,
    version          bigint      NOT NULL DEFAULT 1, -- of the columns above

    position         bigint      NOT NULL,
    mark             bytea       NOT NULL,
    generation       bigint      NOT NULL DEFAULT 0,
    worker           uuid,
    term             bigint      NOT NULL DEFAULT 0,
    due_at           timestamptz,
    attempts         bigint      NOT NULL DEFAULT 0, -- so far
    failures         bigint      NOT NULL DEFAULT 0, -- since the last delivery
    failing_since    timestamptz,

    CONSTRAINT webhooks_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT webhooks_url_length CHECK (octet_length(url) BETWEEN 1 AND 2048),
    CONSTRAINT webhooks_description_length CHECK (char_length(description) BETWEEN 1 AND 255),
    CONSTRAINT webhooks_types_count CHECK (cardinality(types) <= 50),
    CONSTRAINT webhooks_secret_length CHECK (octet_length(secret) = 32 AND octet_length(old_secret) = 32),
    CONSTRAINT webhooks_old_secret_ends CHECK ((old_secret IS NULL) = (old_secret_until IS NULL)),
    CONSTRAINT webhooks_mark_length CHECK (octet_length(mark) = 16),
    CONSTRAINT webhooks_disabled_reason_known CHECK (disabled_reason IN ('requested', 'gone', 'failing', 'events_deleted')),
    CONSTRAINT webhooks_disabled_has_reason CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT webhooks_due_is_free CHECK (due_at IS NULL OR disabled_at IS NULL),
    CONSTRAINT webhooks_times_finite CHECK (
        isfinite(old_secret_until) AND isfinite(created_at) AND isfinite(disabled_at) AND isfinite(due_at) AND isfinite(failing_since)
    )
) WITH (fillfactor = 70);
CREATE INDEX webhooks_by_created ON webhooks (account_id, created_at DESC, id DESC);
CREATE INDEX webhooks_due ON webhooks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhooks_by_worker ON webhooks (worker) WHERE worker IS NOT NULL;

-- The last 100 attempts of each endpoint. Attempt n is in slot n % 100.
CREATE TABLE webhook_attempts (
    account_id   uuid        NOT NULL,
    webhook_id   uuid        NOT NULL,
    slot         smallint    NOT NULL,
    number       bigint      NOT NULL,
    attempted_at timestamptz NOT NULL,
    mark         bytea       NOT NULL, -- the event's id
    position     bigint,               -- NULL for a test
    type         text        NOT NULL,
    status       smallint,             -- NULL without a response
    milliseconds bigint      NOT NULL,
    error        text,                 -- NULL for a delivery

    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (account_id, webhook_id, slot),
    CONSTRAINT webhook_attempts_slot_range CHECK (slot BETWEEN 0 AND 99),
    CONSTRAINT webhook_attempts_mark_length CHECK (octet_length(mark) = 16),
    CONSTRAINT webhook_attempts_attempted_at_finite CHECK (isfinite(attempted_at))
) WITH (fillfactor = 70);

-- The servers that deliver. After alive_until, other servers may take over a server's
-- endpoints.
CREATE TABLE webhook_workers (
    id          uuid        NOT NULL,
    alive_until timestamptz NOT NULL,

    CONSTRAINT webhook_workers_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_workers_alive_until_finite CHECK (isfinite(alive_until))
) WITH (fillfactor = 50);

-- Stores what a worker has done for its endpoint: the place that it has reached (NULL if
-- the place has not changed), whether it has delivered anything, and its latest attempts, at
-- most 100. step is what the worker does next:
--
--   continue  it goes on
--   idle      it releases the endpoint, which has everything
--   yield     it releases the endpoint for another worker
--   retry     it releases the endpoint after a failure, to try again after `wait` seconds;
--             an endpoint that has failed for give_up seconds is disabled instead (NULL:
--             never)
--   disable   it disables the endpoint, for the reason
--
-- outcome is kept; moved if a call has moved the endpoint, so that the place was not
-- stored and the worker must read the endpoint again; stopped if the endpoint or its
-- account takes no more events; disabled if this call disabled it; or lost if the worker
-- does not hold the endpoint.
-- +goose StatementBegin
CREATE FUNCTION webhook_progress_1(
    account uuid, webhook uuid, holder uuid, held_term bigint, held_generation bigint,
    reached bigint, reached_mark bytea, delivered boolean,
    times timestamptz[], marks bytea[], positions bigint[], kinds text[], statuses smallint[], took bigint[], errors text[],
    step text, wait double precision, give_up double precision, reason text, request text,
    OUT outcome text, OUT kept_version bigint
)
    LANGUAGE plpgsql AS $$
DECLARE
    kept   webhooks;
    moment timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO kept FROM webhooks WHERE account_id = account AND id = webhook FOR UPDATE;
    IF NOT FOUND OR kept.worker IS DISTINCT FROM holder OR kept.term <> held_term THEN
        outcome := 'lost';
        RETURN;
    END IF;
    kept_version := kept.version;
    INSERT INTO webhook_attempts (account_id, webhook_id, slot, number, attempted_at, mark, position, type, status, milliseconds, error)
    SELECT account, webhook, (kept.attempts + place) % 100, kept.attempts + place, made.at, made.mark, made.pos, made.kind, made.status, made.ms, made.failed
    FROM unnest(times, marks, positions, kinds, statuses, took, errors)
        WITH ORDINALITY AS made (at, mark, pos, kind, status, ms, failed, place)
    ON CONFLICT (account_id, webhook_id, slot) DO UPDATE
    SET number = excluded.number, attempted_at = excluded.attempted_at, mark = excluded.mark, position = excluded.position,
        type = excluded.type, status = excluded.status, milliseconds = excluded.milliseconds, error = excluded.error;
    kept.attempts := kept.attempts + cardinality(times);

    IF kept.generation = held_generation AND reached IS NOT NULL THEN
        kept.position := reached;
        kept.mark := reached_mark;
    END IF;
    IF kept.generation = held_generation AND delivered THEN
        kept.failures := 0;
        kept.failing_since := NULL;
    END IF;
    kept.due_at := NULL;
    IF kept.disabled_at IS NOT NULL OR EXISTS (SELECT FROM accounts WHERE id = account AND suspended_at IS NOT NULL) THEN
        outcome := 'stopped';
        kept.worker := NULL;
        kept.due_at := CASE WHEN kept.disabled_at IS NULL THEN moment END;
    ELSIF kept.generation <> held_generation THEN
        outcome := 'moved';
        IF step = 'yield' THEN
            kept.worker := NULL;
            kept.due_at := moment;
        END IF;
    ELSE
        outcome := 'kept';
        IF step <> 'continue' THEN
            kept.worker := NULL;
        END IF;
        IF step = 'yield' THEN
            kept.due_at := moment;
        ELSIF step = 'retry' THEN
            kept.failures := kept.failures + 1;
            kept.failing_since := coalesce(kept.failing_since, moment);
            IF moment >= kept.failing_since + make_interval(secs => give_up) THEN
                step := 'disable';
                reason := 'failing';
            ELSE
                kept.due_at := moment + make_interval(secs => wait);
            END IF;
        END IF;
        IF step = 'disable' THEN
            outcome := 'disabled';
            kept.disabled_at := moment;
            kept.disabled_reason := reason;
            kept.version := kept.version + 1;
            INSERT INTO events (account_id, type, webhook_id, before, after, request_id, occurred_at)
            VALUES (account, 'webhook.disabled', webhook, '{"isEnabled": true}',
                jsonb_build_object('isEnabled', false, 'disabledReason', reason), request, moment);
        END IF;
    END IF;
    UPDATE webhooks
    SET position = kept.position, mark = kept.mark, worker = kept.worker, due_at = kept.due_at, attempts = kept.attempts,
        failures = kept.failures, failing_since = kept.failing_since,
        disabled_at = kept.disabled_at, disabled_reason = kept.disabled_reason, version = kept.version
    WHERE account_id = account AND id = webhook;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION webhook_progress_1(uuid, uuid, uuid, bigint, bigint, bigint, bytea, boolean,
    timestamptz[], bytea[], bigint[], text[], smallint[], bigint[], text[], text, double precision, double precision, text, text);
DROP TABLE webhook_workers;
DROP TABLE webhook_attempts;
DROP TABLE webhooks;

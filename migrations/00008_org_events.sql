-- +goose Up
-- The audit trail: one row for each change of an organization or its membership,
-- written in the transaction of the change.
--
-- A feed will read it in the order (epoch, xact_id, id). Neither id nor occurred_at is
-- in commit order: a reader that continues after the last id it saw would miss rows that
-- commit later with a smaller id. Transaction ids are not in commit order either, but
-- PostgreSQL knows the id below which no transaction is still running:
--
--   SELECT … FROM org_events
--   WHERE account_id = $1
--     AND (epoch, xact_id, id) > ($2, $3, $4)
--     AND (epoch < $5 OR xact_id < pg_snapshot_xmin(pg_current_snapshot()))
--   ORDER BY epoch, xact_id, id
--   LIMIT $6
--
-- Rows at or above that horizon are left for the next read. So the feed misses nothing
-- and repeats nothing, but the oldest running transaction with an id, in any database of
-- the cluster, delays it. The events of one organization come in the order in which they
-- happened: its changes run one at a time, and get their transaction ids in that order.
--
-- Transaction ids belong to one cluster. Failover and pg_upgrade keep them; a dump that
-- is restored into a new cluster starts them again. After such a restore, before the
-- first write, run  ALTER TABLE org_events ALTER epoch SET DEFAULT 2  (or one more than
-- the highest existing epoch). $5 is the newest epoch, the default. Events of an older
-- epoch are complete, so the horizon does not apply to them.
CREATE TABLE org_events (
    account_id    uuid        NOT NULL,
    epoch         integer     NOT NULL DEFAULT 1,
    xact_id       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    org_id        uuid        NOT NULL,
    type          text        NOT NULL,
    actor_key_id  uuid,
    actor_user_id uuid,
    request_id    text        NOT NULL,
    -- Only the changed fields, under their API names.
    before        jsonb       NOT NULL,
    after         jsonb       NOT NULL,
    occurred_at   timestamptz NOT NULL,

    CONSTRAINT org_events_pkey PRIMARY KEY (account_id, epoch, xact_id, id),
    CONSTRAINT org_events_type_length CHECK (char_length(type) BETWEEN 1 AND 64),
    CONSTRAINT org_events_request_id_length CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CONSTRAINT org_events_before_is_object CHECK (jsonb_typeof(before) = 'object'),
    CONSTRAINT org_events_after_is_object CHECK (jsonb_typeof(after) = 'object'),
    CONSTRAINT org_events_occurred_at_finite CHECK (isfinite(occurred_at))
);

-- +goose Down
DROP TABLE org_events;

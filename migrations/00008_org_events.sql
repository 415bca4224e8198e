-- +goose Up
-- The audit trail: one row for each change of an organization or its membership,
-- written in the transaction of the change.
--
-- A feed will read it in the order (epoch, xact_id, id). Neither id nor
-- occurred_at is the order of commits, and a reader that goes on from the last
-- one it saw would miss what was committed later with a smaller one. Transaction
-- ids are not that order either, but PostgreSQL tells below which of them nothing
-- can be added any more:
--
--   SELECT … FROM org_events
--   WHERE account_id = $1
--     AND (epoch, xact_id, id) > ($2, $3, $4)
--     AND (epoch < $5 OR xact_id < pg_snapshot_xmin(pg_current_snapshot()))
--   ORDER BY epoch, xact_id, id
--   LIMIT $6
--
-- What is at or above that horizon is left for the next read: so nothing is
-- missed and nothing comes twice, at the price that the oldest transaction under
-- way that has an id, in whatever database of the cluster, holds the feed back.
-- The events of one organization come in the order in which they happened: its
-- changes take turns, and take their transaction ids in their turn.
--
-- Transaction ids belong to one cluster; failover and pg_upgrade keep them, a
-- restore of a dump into a new cluster begins them anew. After that, and before
-- the first write:  ALTER TABLE org_events ALTER epoch SET DEFAULT 2  (or one more
-- than the greatest there is). $5 is the newest epoch, the default: events of an
-- older one are complete, and the horizon is not for them.
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
    -- Of what changed only, under the names of the API.
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

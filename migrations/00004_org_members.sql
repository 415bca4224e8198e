-- +goose Up
CREATE TABLE org_members (
    account_id uuid        NOT NULL,
    org_id     uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    added_at   timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT org_members_pkey PRIMARY KEY (account_id, org_id, user_id),
    CONSTRAINT org_members_org_fkey FOREIGN KEY (account_id, org_id) REFERENCES orgs (account_id, org_id) ON DELETE CASCADE,
    CONSTRAINT org_members_added_at_finite CHECK (isfinite(added_at))
);

-- +goose Down
DROP TABLE org_members;

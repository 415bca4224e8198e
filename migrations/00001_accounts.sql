-- +goose Up
CREATE TABLE accounts (
    id         uuid        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_name_length CHECK (char_length(name) BETWEEN 1 AND 255)
);

-- +goose Down
DROP TABLE accounts;

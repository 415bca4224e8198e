-- +goose Up
-- In a separate transaction, the validation does not block the servers.
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_scopes_known;

-- +goose Down
-- Nothing to do: the Down section of the previous migration replaces the constraint.
SELECT 1;

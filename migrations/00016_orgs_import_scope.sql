-- +goose Up
-- The new scope is orgs:import. The next migration validates the existing rows.
ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_known;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes_known CHECK (
    cardinality(scopes) > 0
    AND scopes <@ ARRAY['orgs:read', 'orgs:write', 'orgs:delete', 'orgs:import', 'members:write', 'users:erase', 'keys:manage', 'events:read', 'webhooks:manage', 'act-as-user']
) NOT VALID;

-- +goose Down
-- The scope alone allows nothing, so a key that has no other scope is deleted.
DELETE FROM api_keys WHERE scopes = ARRAY['orgs:import'];
UPDATE api_keys SET scopes = array_remove(scopes, 'orgs:import') WHERE scopes @> ARRAY['orgs:import'];
ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_known;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes_known CHECK (
    cardinality(scopes) > 0
    AND scopes <@ ARRAY['orgs:read', 'orgs:write', 'orgs:delete', 'members:write', 'users:erase', 'keys:manage', 'events:read', 'webhooks:manage', 'act-as-user']
);

-- +goose Up
-- Changes fields of an organization. A NULL parameter leaves its field unchanged. pairs
-- replaces the metadata. patch is merged into it, and has a JSON null for each pair to
-- remove. If own_id is '', the external id is removed. If nothing changes, version and
-- revision stay the same.
--
-- outcome is changed, unchanged, not_found, version or revision (the row's value is not
-- an expected one), too_many_pairs, or external_id_taken. With external_id_taken, changed
-- is the organization that has the external id.
-- +goose StatementBegin
CREATE FUNCTION org_update_1(
    account uuid, org uuid, versions bigint[], expected_revision bigint,
    name text, folded text, pairs jsonb, patch jsonb, own_id text, active boolean,
    actor_key uuid, actor_user text, request text,
    OUT outcome text, OUT changed orgs
)
    LANGUAGE plpgsql AS $$
DECLARE
    kept         orgs;
    wanted_id    text;
    event_before jsonb := '{}';
    event_after  jsonb := '{}';
BEGIN
    SELECT * INTO kept FROM orgs WHERE account_id = account AND org_id = org FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'not_found';
        RETURN;
    END IF;
    changed := kept;
    IF kept.version <> ALL (versions) THEN
        outcome := 'version';
        RETURN;
    END IF;
    IF kept.revision <> expected_revision THEN
        outcome := 'revision';
        RETURN;
    END IF;
    IF patch IS NOT NULL THEN
        pairs := jsonb_strip_nulls(kept.metadata || patch);
        IF (SELECT count(*) FROM jsonb_object_keys(pairs)) > 50 THEN
            outcome := 'too_many_pairs';
            RETURN;
        END IF;
    END IF;
    wanted_id := CASE WHEN own_id IS NULL THEN kept.external_id ELSE nullif(own_id, '') END;
    IF name <> kept.org_name THEN
        event_before := event_before || jsonb_build_object('orgName', kept.org_name);
        event_after := event_after || jsonb_build_object('orgName', name);
    END IF;
    IF pairs <> kept.metadata THEN
        event_before := event_before || jsonb_build_object('metadata', kept.metadata);
        event_after := event_after || jsonb_build_object('metadata', pairs);
    END IF;
    IF wanted_id IS DISTINCT FROM kept.external_id THEN
        event_before := event_before || jsonb_build_object('externalId', kept.external_id);
        event_after := event_after || jsonb_build_object('externalId', wanted_id);
    END IF;
    IF active <> kept.is_active THEN
        event_before := event_before || jsonb_build_object('isActive', kept.is_active);
        event_after := event_after || jsonb_build_object('isActive', active);
    END IF;
    IF event_after = '{}' THEN
        outcome := 'unchanged';
        RETURN;
    END IF;
    -- The external id has a separate UPDATE, so that only a change of it costs a
    -- subtransaction. The UPDATE waits for a concurrent call with the same external id.
    WHILE wanted_id IS DISTINCT FROM kept.external_id LOOP
        BEGIN
            UPDATE orgs SET external_id = wanted_id WHERE account_id = account AND org_id = org;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            SELECT * INTO changed FROM orgs WHERE account_id = account AND external_id = wanted_id;
        END;
        IF FOUND THEN
            outcome := 'external_id_taken';
            RETURN;
        END IF;
    END LOOP;
    -- updated_at increases even if the clock goes back.
    changed.updated_at := greatest(clock_timestamp(), kept.updated_at + interval '1 microsecond');
    UPDATE orgs
    SET org_name = coalesce(name, org_name),
        org_name_folded = coalesce(folded, org_name_folded),
        metadata = coalesce(pairs, metadata),
        is_active = coalesce(active, is_active),
        version = version + 1,
        revision = revision + 1,
        updated_at = changed.updated_at
    WHERE account_id = account AND org_id = org
    RETURNING * INTO changed;
    IF active <> kept.is_active AND kept.user_count BETWEEN 1 AND 1000 THEN
        UPDATE org_members SET org_activity = active::integer
        WHERE account_id = account AND org_id = org AND org_activity <> active::integer;
    END IF;
    INSERT INTO events (account_id, type, org_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
    VALUES (account, CASE active WHEN true THEN 'org.reactivated' WHEN false THEN 'org.deactivated' ELSE 'org.updated' END,
        org, event_before, event_after, actor_key, actor_user, request, changed.updated_at);
    outcome := 'changed';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_update_1(uuid, uuid, bigint[], bigint, text, text, jsonb, jsonb, text, boolean, uuid, text, text);

-- +goose Up
-- Creates several organizations, or none. Their fields are those of org_create_2, as
-- arrays of equal length. No id and no external id may be in the arrays twice.
--
-- Returns a row for each organization, in their order, with the outcome created. If
-- something prevents the creation, returns a row for each conflict instead: the outcome
-- external_id_taken with the organization that has the external id, or the outcome
-- org_id_taken or future, for which made is NULL.
-- +goose StatementBegin
CREATE FUNCTION org_create_batch_1(
    account uuid, org_ids uuid[], names text[], folds text[], metadata_texts text[], own_ids text[],
    imports boolean[], made_ats timestamptz[], actives boolean[], creators text[],
    actor_key uuid, actor_user text, request text
)
    RETURNS TABLE (place integer, outcome text, made orgs)
    LANGUAGE plpgsql AS $$
DECLARE
    inserted bigint;
BEGIN
    RETURN QUERY
    SELECT n.place::integer, 'future', NULL::orgs
    FROM unnest(made_ats) WITH ORDINALITY AS n (made_at, place)
    WHERE n.made_at > now()
    ORDER BY n.place;
    IF FOUND THEN
        RETURN;
    END IF;
    LOOP
        -- This block inserts all organizations or none.
        BEGIN
            -- The INSERT waits for concurrent calls with the same ids or external ids. Concurrent
            -- batches insert them in the same order, so that they cannot deadlock.
            INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, metadata, external_id, created_at,
                created_by_api_key_id, created_by_user_id)
            SELECT account, n.org, n.name, n.folded, n.active, n.metadata_text::jsonb, n.own_id, coalesce(n.made_at, now()),
                actor_key, coalesce(n.creator, actor_user)
            FROM unnest(org_ids, names, folds, metadata_texts, own_ids, made_ats, actives, creators)
                AS n (org, name, folded, metadata_text, own_id, made_at, active, creator)
            ORDER BY n.own_id COLLATE "C", n.org
            ON CONFLICT DO NOTHING;
            GET DIAGNOSTICS inserted = ROW_COUNT;
            IF inserted < cardinality(org_ids) OR EXISTS (
                SELECT FROM unnest(org_ids, imports) AS n (org, imported)
                WHERE n.imported AND org_id_was_used_1(account, n.org)
            ) THEN
                RAISE unique_violation;
            END IF;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- the exception has undone the INSERT of this block
        END;
        -- LIMIT makes the planner look up each id in an index, whatever the statistics say.
        RETURN QUERY
        SELECT n.place::integer, CASE WHEN holder.org_id IS NULL THEN 'org_id_taken' ELSE 'external_id_taken' END, holder.found
        FROM unnest(org_ids, own_ids, imports) WITH ORDINALITY AS n (org, own_id, imported, place)
        LEFT JOIN LATERAL (
            SELECT o.org_id, o AS found FROM orgs AS o WHERE o.account_id = account AND o.external_id = n.own_id LIMIT 1
        ) AS holder ON true
        WHERE holder.org_id IS NOT NULL
            OR n.imported AND (
                EXISTS (SELECT FROM orgs AS o WHERE o.account_id = account AND o.org_id = n.org)
                OR org_id_was_used_1(account, n.org))
        ORDER BY n.place;
        IF FOUND THEN
            -- Write to the WAL, so that the commit of this repeat waits for a synchronous
            -- standby. The commit of the creation may not have waited.
            PERFORM pg_logical_emit_message(true, 'orgd', '');
            RETURN;
        END IF;
        -- The other organizations have released the external ids, or were deleted, so try again.
    END LOOP;
    INSERT INTO events (account_id, type, org_id, user_id, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
    SELECT account, 'org.created', n.org,
        CASE WHEN n.imported THEN coalesce(n.creator, actor_user) END,
        jsonb_strip_nulls(jsonb_build_object('orgName', n.name, 'metadata', nullif(n.metadata_text::jsonb, '{}'), 'externalId', n.own_id,
            'createdAt', CASE WHEN n.imported THEN api_time(coalesce(n.made_at, now())) END,
            'isActive', CASE WHEN NOT n.active THEN false END)),
        actor_key, actor_user, request, now()
    FROM unnest(org_ids, names, metadata_texts, own_ids, imports, made_ats, actives, creators) WITH ORDINALITY
        AS n (org, name, metadata_text, own_id, imported, made_at, active, creator, place)
    ORDER BY n.place;
    RETURN QUERY
    SELECT n.place::integer, 'created', stored.found
    FROM unnest(org_ids) WITH ORDINALITY AS n (org, place)
    CROSS JOIN LATERAL (
        SELECT o AS found FROM orgs AS o WHERE o.account_id = account AND o.org_id = n.org LIMIT 1
    ) AS stored
    ORDER BY n.place;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION org_create_batch_1(uuid, uuid[], text[], text[], text[], text[], boolean[], timestamptz[], boolean[], text[], uuid, text, text);

-- +goose NO TRANSACTION
-- +goose Up
-- Corrects the rows older than 00012: those of deactivated and of large organizations.
-- It commits after each 1,000 rows, so other sessions do not wait long. These commits do
-- not wait for the disk; goose's commit of the version afterwards does.
SET synchronous_commit = off;
-- +goose StatementBegin
DO $$
DECLARE
    org   record;
    kept  record;
    after uuid;
    piece uuid[];
BEGIN
    FOR org IN SELECT account_id, org_id FROM orgs WHERE (NOT is_active OR user_count > 1000) AND user_count > 0 LOOP
        after := NULL;
        LOOP
            SELECT CASE WHEN user_count > 1000 THEN -1 ELSE is_active::integer END AS activity INTO kept
            FROM orgs WHERE account_id = org.account_id AND org_id = org.org_id
            FOR NO KEY UPDATE;
            EXIT WHEN NOT FOUND;
            piece := ARRAY(
                SELECT user_id FROM org_members
                WHERE account_id = org.account_id AND org_id = org.org_id AND (after IS NULL OR user_id > after)
                ORDER BY user_id LIMIT 1000);
            UPDATE org_members SET org_activity = kept.activity
            WHERE account_id = org.account_id AND org_id = org.org_id AND user_id = ANY (piece)
                AND org_activity <> kept.activity;
            COMMIT;
            EXIT WHEN cardinality(piece) < 1000;
            after := piece[1000];
        END LOOP;
    END LOOP;
END
$$;
-- +goose StatementEnd
RESET synchronous_commit;
ALTER TABLE org_members VALIDATE CONSTRAINT org_members_org_activity_known;

-- +goose Down
SELECT 1; -- 00012 drops the column

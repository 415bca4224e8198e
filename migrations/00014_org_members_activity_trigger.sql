-- +goose Up
-- Maintains org_members.org_activity, also for releases that do not know it. It runs
-- while its transaction has locked the organization's row, which every change of the
-- membership locks first, so it sees all members.
--
-- It runs with the owner's permissions, because the server's role cannot update members.
-- It finds org_members in the schema of the changed table, whatever the search_path.
-- +goose StatementBegin
CREATE FUNCTION org_members_follow_activity() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('UPDATE %I.org_members SET org_activity = $3
                    WHERE account_id = $1 AND org_id = $2 AND org_activity <> $3', TG_TABLE_SCHEMA)
    USING NEW.account_id, NEW.org_id,
        CASE WHEN NEW.user_count > 1000 THEN -1 ELSE NEW.is_active::integer END::smallint;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION org_members_follow_activity() FROM PUBLIC;

-- When the members shrink to 1,000, their rows keep -1 until the next change of activity.
CREATE TRIGGER orgs_activity_changed AFTER UPDATE OF is_active, user_count ON orgs FOR EACH ROW
    WHEN (OLD.is_active <> NEW.is_active AND NEW.user_count <= 1000
        OR OLD.user_count <= 1000 AND NEW.user_count > 1000)
    EXECUTE FUNCTION org_members_follow_activity();

-- +goose Down
DROP TRIGGER orgs_activity_changed ON orgs;
DROP FUNCTION org_members_follow_activity();

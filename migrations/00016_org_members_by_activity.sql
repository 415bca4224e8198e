-- +goose NO TRANSACTION
-- +goose Up
-- Queries name the user as bytes, as only this index does. Otherwise the planner could
-- walk all of a user's organizations in org_members_by_user and filter them, if it
-- estimates that most have the activity.
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS org_members_by_activity;
CREATE INDEX CONCURRENTLY org_members_by_activity ON org_members (account_id, uuid_send(user_id), org_activity, org_created_at DESC, org_id DESC);
RESET lock_timeout;

-- +goose Down
DROP INDEX CONCURRENTLY org_members_by_activity;

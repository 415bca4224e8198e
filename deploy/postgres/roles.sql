-- Creates orgd's two roles, for the current database:
--
--   orgd_owner  owns the database and its schema: for `server migrate`, `accounts`, `seed`
--   orgd        owns nothing, and has only the rights that serving needs: for `server serve`, `keys`, `events`, `import`, `export`
--
-- Run it before the first `server migrate up` and after each one, as a superuser, or as
-- the database's owner with CREATEROLE and CREATEDB:
--
--   psql -1 -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql postgres://admin@host/orgd
--
-- It is safe to run again. For other names:  sed 's/\borgd_owner\b/…/; s/\borgd\b/…/'
-- The roles have no passwords yet:  \password orgd_owner  and  \password orgd  in psql.

DO $$
BEGIN
    IF to_regrole('orgd_owner') IS NULL THEN
        CREATE ROLE orgd_owner LOGIN;
    END IF;
    IF to_regrole('orgd') IS NULL THEN
        CREATE ROLE orgd LOGIN;
    END IF;
    -- The permissions below have no effect if orgd is a superuser, owns tables, or can act
    -- as their owner.
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = 'orgd') THEN
        RAISE EXCEPTION 'orgd is a superuser'
            USING HINT = 'ALTER ROLE orgd NOSUPERUSER. If PostgreSQL was set up with this role, choose another name for the server''s role';
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE relowner = to_regrole('orgd'))
        OR pg_has_role('orgd', 'orgd_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'orgd owns tables in this database, or is a member of orgd_owner'
            USING HINT = 'For tables: REASSIGN OWNED BY orgd TO orgd_owner. For the membership: REVOKE orgd_owner FROM orgd';
    END IF;
    -- Without superuser rights, only a member of orgd_owner can give the database to it.
    IF NOT pg_has_role('orgd_owner', 'USAGE') THEN
        GRANT orgd_owner TO CURRENT_USER;
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO orgd_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, orgd', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO orgd', current_database());
END
$$;

-- orgd cannot send these settings through a pooler, so the role has them.
ALTER ROLE orgd SET statement_timeout = '8s';
ALTER ROLE orgd SET lock_timeout = '2s';
ALTER ROLE orgd SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE orgd SET jit = off;
ALTER ROLE orgd SET default_transaction_isolation = 'read committed';

GRANT USAGE, CREATE ON SCHEMA public TO orgd_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC, orgd;
GRANT USAGE ON SCHEMA public TO orgd;

-- The server can use a new table as soon as a migration creates it. The permissions that
-- it does not need are revoked below, when this script runs again. An identity column
-- needs no permission on its sequence.
ALTER DEFAULT PRIVILEGES FOR ROLE orgd_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO orgd;
ALTER DEFAULT PRIVILEGES FOR ROLE orgd_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO orgd;

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT name, rights FROM (VALUES
            ('orgd_migrations', 'SELECT'),
            ('schema_floor',     'SELECT'),
            -- An account is locked while its keys change, and a lock requires UPDATE on some
            -- column. The id cannot change, because foreign keys reference it.
            ('accounts',         'SELECT (id, suspended_at), UPDATE (id)'),
            ('api_keys',         'SELECT, INSERT, UPDATE'),
            -- account_id, org_id and created_at never change.
            ('orgs',             'SELECT, INSERT, DELETE, UPDATE (org_name, org_name_folded, is_active, metadata, external_id, user_count, updated_at, version, revision, created_by_user_id)'),
            ('org_members',      'SELECT, INSERT, DELETE, UPDATE (roles, org_activity)'),
            -- The feed gives events their positions. Erasures overwrite contents. Old events
            -- are deleted.
            ('events',           'SELECT, INSERT, DELETE, UPDATE (position, before, after, user_id, actor_user_id)'),
            ('feeds',            'SELECT, INSERT, UPDATE (last_position, removed_position, removed_mark)'),
            -- account_id, id and created_at never change.
            ('webhooks',         'SELECT, INSERT, DELETE, UPDATE (url, description, types, secret, old_secret, old_secret_until, disabled_at, disabled_reason, version, position, mark, generation, worker, term, due_at, attempts, failures, failing_since)'),
            ('webhook_attempts', 'SELECT, INSERT, DELETE, UPDATE (number, attempted_at, mark, position, type, status, milliseconds, error)'),
            ('webhook_workers',  'SELECT, INSERT, DELETE, UPDATE (alive_until)'),
            ('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE'),
            ('unanswered_creations', 'SELECT, INSERT, UPDATE, DELETE'),
            -- FOR UPDATE requires UPDATE on some column.
            ('org_erasures',     'SELECT, INSERT, DELETE, UPDATE (requested_at)'),
            ('user_erasures',    'SELECT, INSERT, DELETE, UPDATE (requested_at)')
        ) AS wanted (name, rights)
        WHERE to_regclass('public.' || name) IS NOT NULL
    LOOP
        EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, orgd', t.name);
        EXECUTE format('GRANT %s ON public.%I TO orgd', t.rights, t.name);
    END LOOP;
    -- CHECKs and indexes call these functions with the permissions of the role that writes.
    IF to_regproc('public.org_name_grams') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION public.org_metadata_is_valid(jsonb), public.org_name_grams(text),
            public.org_name_key(text), public.org_name_cut(text) TO orgd;
    END IF;
    IF to_regproc('public.org_member_roles') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION public.org_member_roles(uuid, uuid, text[]), public.org_roles_are_valid(text[]) TO orgd;
    END IF;
END
$$;

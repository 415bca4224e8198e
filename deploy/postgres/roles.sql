-- The two roles of orgd, in the database that this runs in:
--
--   orgd_owner  owns the database and its schema: for `server migrate`, `accounts`, `seed`
--   orgd        owns nothing, and may do what serving needs: for `server serve`, `keys`
--
-- Run it as a superuser, or as the database's owner with CREATEROLE and CREATEDB,
-- before the first `server migrate up` and after each one:
--
--   psql -1 -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql postgres://admin@host/orgd
--
-- Once more does no harm. For other names:  sed 's/\borgd_owner\b/…/; s/\borgd\b/…/'
-- The roles have no passwords yet:  \password orgd_owner  and  \password orgd  in psql.

DO $$
BEGIN
    IF to_regrole('orgd_owner') IS NULL THEN
        CREATE ROLE orgd_owner LOGIN;
    END IF;
    IF to_regrole('orgd') IS NULL THEN
        CREATE ROLE orgd LOGIN;
    END IF;
    -- What an owner may do is all in vain if orgd is one, or becomes one.
    IF EXISTS (SELECT FROM pg_class WHERE relowner = to_regrole('orgd'))
        OR pg_has_role('orgd', 'orgd_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'orgd is the owner of tables here, or as good as their owner'
            USING HINT = 'For what it owns: REASSIGN OWNED BY orgd TO orgd_owner';
    END IF;
    -- One who is no superuser gives away only what a role of its own has.
    IF NOT pg_has_role('orgd_owner', 'USAGE') THEN
        GRANT orgd_owner TO CURRENT_USER;
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO orgd_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, orgd', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO orgd', current_database());
END
$$;

-- A pooler passes no settings on, so the role has them.
ALTER ROLE orgd SET statement_timeout = '8s';
ALTER ROLE orgd SET lock_timeout = '2s';
ALTER ROLE orgd SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE orgd SET jit = off;
ALTER ROLE orgd SET default_transaction_isolation = 'read committed';

GRANT USAGE, CREATE ON SCHEMA public TO orgd_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC, orgd;
GRANT USAGE ON SCHEMA public TO orgd;

-- A table of a later migration is reachable as soon as it is there. What orgd has no
-- use for is taken away below, when this runs again. The sequence inside an identity
-- takes no right.
ALTER DEFAULT PRIVILEGES FOR ROLE orgd_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO orgd;
ALTER DEFAULT PRIVILEGES FOR ROLE orgd_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO orgd;

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT name, rights FROM (VALUES
            ('goose_db_version', 'SELECT'),
            ('schema_floor',     'SELECT'),
            -- An account is locked while its keys change, which takes a right to change
            -- something of it: the id, which foreign keys hold.
            ('accounts',         'SELECT (id), UPDATE (id)'),
            ('api_keys',         'SELECT, INSERT, UPDATE'),
            ('orgs',             'SELECT, INSERT, UPDATE'),
            ('org_members',      'SELECT, INSERT, DELETE'),
            ('org_events',       'INSERT'),
            ('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE'),
            ('unanswered_creations', 'SELECT, INSERT, UPDATE, DELETE'),
            -- Of the release before, which may serve beside this one during an upgrade.
            ('org_creations',    'SELECT, INSERT, DELETE')
        ) AS wanted (name, rights)
        WHERE to_regclass('public.' || name) IS NOT NULL
    LOOP
        EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC, orgd', t.name);
        EXECUTE format('GRANT %s ON public.%I TO orgd', t.rights, t.name);
    END LOOP;
    -- Of CHECKs and indexes, which are evaluated with the rights of whoever writes.
    IF to_regproc('public.org_name_grams') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION public.org_metadata_is_valid(jsonb), public.org_name_grams(text) TO orgd;
    END IF;
END
$$;

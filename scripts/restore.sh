#!/bin/sh
# Dumps a database while a server writes to it, restores the dump three times, and serves
# from the last restored database. The second restore runs as an owner without superuser
# rights, after an administrator has created the extensions. The third uses two jobs.
# Every restored row must be the same as in the dump's snapshot, and the key must work. The script
# needs curl, psql, pg_dump and pg_restore, at least as new as the PostgreSQL in
# TEST_DATABASE_URL. Usage: restore.sh SERVER [ORGS]
set -eu

server=$1
orgs=${2:-250}
dir=$(mktemp -d)
pids=
export ORGD_ADDR=127.0.0.1:0 ORGD_ADMIN_ADDR=127.0.0.1:0 ORGD_RATE_LIMIT=0 ORGD_DRAIN_DELAY=0s

base=${TEST_DATABASE_URL%%\?*}
from=${base%/*}/orgd_restore_from${TEST_DATABASE_URL#"$base"}
to=${base%/*}/orgd_restore_to${TEST_DATABASE_URL#"$base"}

cleanup() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	wait
	psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS orgd_restore_from WITH (FORCE)" -c "DROP DATABASE IF EXISTS orgd_restore_to WITH (FORCE)" -c "DROP ROLE IF EXISTS orgd_restore_owner" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "restore: $1"
	tail -n 5 "$dir"/*.log
	exit 1
} >&2

# await COMPLAINT COMMAND…: retries the command for 30 s, then fails with the complaint.
await() {
	complaint=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "$complaint"
		sleep 0.1
	done
}

recreate() {
	psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS $1 WITH (FORCE)" -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING 'UTF8'" 2>/dev/null
}

# serve NAME: starts a server on DATABASE_URL and sets $url to its address.
serve() {
	: >"$dir/$1.log"
	"$server" serve >>"$dir/$1.log" 2>&1 &
	pids="$pids $!"
	await "the server did not start" grep -q 'listening for key changes' "$dir/$1.log"
	url=$(sed -n 's/.*"msg":"serving".*"publicUrl":"\([^"]*\)".*/\1/p' "$dir/$1.log")
}

create() { curl -sSf -o /dev/null "$url/v1/orgs" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "{\"orgName\":\"$1\"}"; }

# timed WHAT COMMAND…: runs the command and prints how long it took.
timed() {
	what=$1
	shift
	began=$(date +%s)
	"$@"
	echo "restore: $what: $(($(date +%s) - began)) s"
}

# Prints a query for each table: its number of rows, and a checksum of all their values.
fingerprints() {
	for table in $tables; do
		echo "SELECT '$table', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM $table AS t;"
	done
}

# Prints the schema without parentheses, because a restore drops redundant ones, and
# without owners and comments, because they depend on how the dump is restored.
definitions() { pg_dump --schema-only --no-owner --no-comments "$1" | grep -v -e '^\\restrict' -e '^\\unrestrict' | tr -d '()'; }

check() {
	fingerprints | psql "$to" -Atq >"$dir/restored"
	diff "$dir/dumped" "$dir/restored" >&2 || fail "the restored rows differ from the dumped ones"
	definitions "$to" | diff "$dir/definitions" - >&2 || fail "the restored schema differs"
	[ "$(psql "$to" -Atc "SELECT count(*) FROM pg_index WHERE NOT indisvalid")" = 0 ] || fail "an index is invalid"
}

recreate orgd_restore_from
export DATABASE_URL="$from"
"$server" migrate up >/dev/null
account=$("$server" accounts create --name Restored)
key=$("$server" keys create --account "$account" --description restored --scope orgs:read --scope orgs:write 2>/dev/null)
timed "$orgs organizations seeded" "$server" seed --account "$account" --orgs "$orgs" --members 8 >"$dir/seed" 2>&1
tail -n 1 "$dir/seed"
tables=$(psql "$from" -Atc "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")

serve from
(while create Written; do :; done) 2>/dev/null &
writer=$!
pids="$pids $writer"
written() { [ "$(psql "$from" -Atc "SELECT count(*) FROM orgs WHERE org_name = 'Written'")" -gt "$1" ]; }
await "the writer wrote nothing" written 10

# One session exports the snapshot for the dump, and computes the fingerprints in it.
mkfifo "$dir/sql"
psql "$from" -Atq <"$dir/sql" >"$dir/session" &
pids="$pids $!"
exec 3>"$dir/sql"
echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot();" >&3
await "the session exported no snapshot" test -s "$dir/session"
timed "pg_dump -Fc" pg_dump -Fc --snapshot="$(cat "$dir/session")" -f "$dir/dump" "$from"
{ fingerprints; echo "SELECT 'the end';"; } >&3
until grep -q 'the end' "$dir/session"; do sleep 0.1; done
sed -e 1d -e '/the end/d' "$dir/session" >"$dir/dumped"
exec 3>&-
definitions "$from" >"$dir/definitions"
dumped=$(sed -n 's/^orgs|\([0-9]*\)|.*/\1/p' "$dir/dumped")
[ "$dumped" -gt "$orgs" ] || fail "the dump has no rows from the writer"
await "nothing was written during the dump" written $((dumped - orgs))
kill "$writer"
echo "restore: dumped a database of $(psql "$from" -Atc "SELECT pg_size_pretty(pg_database_size(current_database()))"): $(wc -c <"$dir/dump") bytes, $dumped organizations"

# The dump contains the digests of keys, but no key.
digest=$(psql "$from" -Atc "SELECT encode(digest, 'hex') FROM api_keys")
[ "$digest" = "$(printf %s "$key" | sha256sum | cut -d' ' -f1)" ] || fail "the stored digest is not the key's"
! pg_restore -f - "$dir/dump" | grep -qF "$key" || fail "the dump contains a key"

recreate orgd_restore_to
timed "pg_restore" pg_restore --exit-on-error -d "$to" "$dir/dump"
check
# An administrator creates the extensions. Only the administrator may comment on them.
recreate orgd_restore_to
psql "$to" -qc "DROP ROLE IF EXISTS orgd_restore_owner" 2>/dev/null
psql "$to" -qc "CREATE ROLE orgd_restore_owner" -c "ALTER DATABASE orgd_restore_to OWNER TO orgd_restore_owner" \
	-c "CREATE EXTENSION pg_trgm" -c "CREATE EXTENSION btree_gin"
restore_as_owner() { pg_restore --exit-on-error --no-owner --role=orgd_restore_owner "$@" -d "$to" "$dir/dump"; }
! restore_as_owner 2>"$dir/refused" || fail "the owner no longer needs --no-comments: update docs/operating.md"
grep -q 'must be owner of extension' "$dir/refused" || fail "$(cat "$dir/refused")"
restore_as_owner --no-comments
check

recreate orgd_restore_to
timed "pg_restore -j 2" pg_restore --exit-on-error -j 2 -d "$to" "$dir/dump"
check
timed "ANALYZE" psql "$to" -qc ANALYZE

export DATABASE_URL="$to"
! "$server" migrate status | grep pending >&2 || fail "a migration is pending"
serve to
walk() {
	: >"$dir/ids"
	cursor=
	while :; do
		curl -sSf -H "Authorization: Bearer $key" "$url/v1/orgs?limit=100$cursor" >"$dir/page"
		grep -o '"orgId":"org_[0-9a-f]\{32\}"' "$dir/page" >>"$dir/ids" || true
		next=$(sed -n 's/.*"cursor":"\([A-Za-z0-9_-]*\)"}$/\1/p' "$dir/page")
		[ -n "$next" ] || break
		cursor="&cursor=$next"
	done
}
timed "all pages walked" walk
[ "$(wc -l <"$dir/ids")" = "$dumped" ] && [ "$(sort -u "$dir/ids" | wc -l)" = "$dumped" ] || fail "the walk saw $(wc -l <"$dir/ids") organizations, not $dumped"
create Restored || fail "an organization cannot be created"
! grep -q '"level":"ERROR"' "$dir/to.log" || fail "an error was logged"
echo "restore: served the dumped organizations, with the old key"

#!/bin/sh
# Tests orgd behind PgBouncer in transaction mode: migrates, lists, changes organizations
# from several concurrent clients, and revokes a key. It needs curl, psql, pgbouncer, and
# the PostgreSQL in TEST_DATABASE_URL. Usage: pgbouncer.sh SERVER
set -eu
PATH=$PATH:/usr/sbin # Debian installs pgbouncer here

server=$1
dir=$(mktemp -d)
pids=

cleanup() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "pgbouncer: $1"
	tail -n 20 "$dir"/*.log
	exit 1
} >&2

# postgres://user:password@host:port/name?…
rest=${TEST_DATABASE_URL#*://}
user=${rest%%:*}
rest=${rest#*:}
password=${rest%%@*}
address=${rest#*@}
address=${address%%/*}
name=orgd_pgbouncer
psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS $name" -c "CREATE DATABASE $name"
export ORGD_DB_DIRECT_URL="postgres://$user:$password@$address/$name?sslmode=disable"

version=$(pgbouncer --version | sed -n 's/^PgBouncer \([0-9]*\)\.\([0-9]*\).*/\1\2/p')
[ "$version" -ge 121 ] || export ORGD_DB_EXEC_MODE=described

port=$((20000 + $$ % 10000))
cat >"$dir/pgbouncer.ini" <<END
[databases]
$name = host=${address%%:*} port=${address##*:}
${name}_set = host=${address%%:*} port=${address##*:} dbname=$name
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pool_mode = transaction
default_pool_size = 5
auth_type = trust
auth_file = $dir/users
END
[ "$version" -lt 121 ] || echo "max_prepared_statements = 200" >>"$dir/pgbouncer.ini"
echo "\"$user\" \"$password\"" >"$dir/users"
chmod 755 "$dir"
chmod 644 "$dir/users" "$dir/pgbouncer.ini"
run=
[ "$(id -u)" != 0 ] || run="setpriv --reuid=65534 --regid=65534 --clear-groups"
$run pgbouncer "$dir/pgbouncer.ini" >"$dir/pgbouncer.log" 2>&1 &
pids="$pids $!"
export DATABASE_URL="postgres://$user@127.0.0.1:$port/$name?sslmode=disable"
tries=0
until psql "$DATABASE_URL" -qc "SELECT 1" >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || fail "PgBouncer did not start"
	sleep 0.1
done

"$server" migrate up >/dev/null
account=$("$server" accounts create --name pooled)
key=$("$server" keys create --account "$account" --description pooled --scope orgs:read --scope orgs:write --scope members:write 2>/dev/null)
"$server" seed --account "$account" --orgs 250 >/dev/null

serve() {
	ORGD_ADDR=127.0.0.1:0 ORGD_ADMIN_ADDR=127.0.0.1:0 ORGD_RATE_LIMIT=0 ORGD_KEY_CACHE_TTL=5m "$server" serve >"$dir/$1.log" 2>&1 &
	pids="$pids $!"
	tries=0
	until grep -q 'listening for key changes' "$dir/$1.log"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the server did not start"
		sleep 0.1
	done
}
serve server
url=$(sed -n 's/.*"msg":"serving".*"publicUrl":"\([^"]*\)".*/\1/p' "$dir/server.log")

call() { curl -sS -o "$dir/answer.$1" -w '%{http_code}' -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$2" ${3:+-X "$3"} ${4:+-d "$4"}; }

# There are more clients than PgBouncer has connections, so the statements of a client use
# different connections.
clients=
for client in 1 2 3 4 5 6 7 8; do
	(
		for i in $(seq 20); do
			[ "$(call $client "$url/v1/orgs" POST "{\"orgName\":\"Pooled $client $i\"}")" = 201 ] || exit 1
			id=$(sed -n 's/.*"orgId":"\([^"]*\)".*/\1/p' "$dir/answer.$client")
			[ "$(call $client "$url/v1/orgs/$id" PATCH '{"metadata":{"a":"b"}}')" = 200 ] || exit 1
			[ "$(call $client "$url/v1/orgs/$id")" = 200 ] || exit 1
			[ "$(call $client "$url/v1/orgs?limit=100&orgName=pooled")" = 200 ] || exit 1
		done
	) &
	clients="$clients $!"
done
for client in $clients; do wait "$client" || fail "a client failed: $(cat "$dir"/answer.*)"; done
count=$(psql "$ORGD_DB_DIRECT_URL" -Atc "SELECT count(*) FROM orgs WHERE metadata = '{\"a\": \"b\"}'")
[ "$count" = 160 ] || fail "$count organizations were created and changed, want 160"

id=$("$server" keys list --json | sed -n 's/.*"apiKeyId": *"\([^"]*\)".*/\1/p')
"$server" keys revoke "$id" >/dev/null
tries=0
until [ "$(call 0 "$url/v1/orgs")" = 401 ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || fail "a revoked key still works"
	sleep 0.05
done
grep -q '"setting":"statement_timeout"' "$dir/server.log" || fail "the server does not report a missing timeout"

# Apply the settings of roles.sql, in this database only. The second server connects
# through the alias, for which PgBouncer opens new connections with these settings.
sed -n 's/^ALTER ROLE orgd SET \(.*\);$/\1/p' deploy/postgres/roles.sql >"$dir/settings"
[ "$(wc -l <"$dir/settings")" = 5 ] || fail "roles.sql does not have 5 settings"
while read -r setting; do
	psql "$ORGD_DB_DIRECT_URL" -qc "ALTER ROLE \"$user\" IN DATABASE $name SET $setting"
done <"$dir/settings"
DATABASE_URL="postgres://$user@127.0.0.1:$port/${name}_set?sslmode=disable" serve again
! grep -q '"setting":' "$dir/again.log" || fail "the role has all settings, but the server reports a missing one"
ORGD_DB_DIRECT_URL="$ORGD_DB_DIRECT_URL&statement_timeout=0" "$server" migrate status >/dev/null
! grep -q '"level":"ERROR"' "$dir"/*.log || fail "an error was logged"
echo "pgbouncer: $(pgbouncer --version | sed 1q), 640 calls from 8 clients over 5 connections, and a revocation"

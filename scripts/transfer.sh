#!/bin/sh
# Exports an account with ORGS organizations, imports it into an empty database, and
# exports it again: the files must be identical. Then it imports the file into a second
# account, and kills the import three times. It prints how long each command takes. The
# script needs psql. Usage: transfer.sh SERVER [ORGS]
set -eu

server=$1
orgs=${2:-10000}
dir=$(mktemp -d)
base=${TEST_DATABASE_URL%%\?*}
from=${base%/*}/orgd_transfer_from${TEST_DATABASE_URL#"$base"}
to=${base%/*}/orgd_transfer_to${TEST_DATABASE_URL#"$base"}

cleanup() {
	psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS orgd_transfer_from WITH (FORCE)" -c "DROP DATABASE IF EXISTS orgd_transfer_to WITH (FORCE)" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "transfer: $1"
	exit 1
} >&2

# prepare NAME: creates a database with the schema, and sets DATABASE_URL to it.
prepare() {
	psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS $1 WITH (FORCE)" -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING 'UTF8'" 2>/dev/null
	export DATABASE_URL="${base%/*}/$1${TEST_DATABASE_URL#"$base"}"
	"$server" migrate up >/dev/null
}

# timed COMMAND…: runs the command, and prints how long it took.
timed() {
	begun=$(date +%s)
	"$@"
	echo "transfer: $1 $2 took $(($(date +%s) - begun)) s"
}

members() { psql "$DATABASE_URL" -Atc "SELECT count(*) FROM org_members"; }

prepare orgd_transfer_from
account=$("$server" accounts create --name From)
"$server" seed --account "$account" --orgs "$orgs" --members 4
psql "$DATABASE_URL" -qc "UPDATE org_members SET roles = '{owner}' WHERE user_id < 'google' AND account_id = '$account'" -c "VACUUM ANALYZE"
echo "transfer: $orgs organizations with $(members) members"
timed "$server" export --account "$account" "$dir/first.ndjson"

prepare orgd_transfer_to
account=$("$server" accounts create --name To)
timed "$server" import --account "$account" "$dir/first.ndjson"
timed "$server" export --account "$account" "$dir/second.ndjson"
cmp "$dir/first.ndjson" "$dir/second.ndjson" || fail "the second export differs"
timed "$server" import --account "$account" "$dir/first.ndjson"

account=$("$server" accounts create --name Killed)
for part in 1 2 3; do
	before=$(psql "$DATABASE_URL" -Atc "SELECT count(*) FROM orgs WHERE account_id = '$account'")
	"$server" import --account "$account" "$dir/first.ndjson" >/dev/null 2>&1 &
	until [ "$(psql "$DATABASE_URL" -Atc "SELECT count(*) FROM orgs WHERE account_id = '$account'")" -gt $((before + orgs / 10)) ]; do sleep 0.1; done
	kill -9 $!
	wait $! || echo "transfer: killed run $part with $(psql "$DATABASE_URL" -Atc "SELECT count(*) FROM orgs WHERE account_id = '$account'") organizations"
done
timed "$server" import --account "$account" "$dir/first.ndjson"
"$server" export --account "$account" "$dir/third.ndjson"
cmp "$dir/first.ndjson" "$dir/third.ndjson" || fail "the export after the kills differs"
echo "transfer: the exports are equal, $(wc -c <"$dir/first.ndjson") bytes"

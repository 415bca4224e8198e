#!/bin/sh
# Runs the previous release's tests, and then its server, on the schema of this tree:
# during an upgrade, old servers run on the new schema. The previous release is the newest
# tag v… before this commit or, without one, the commit before the newest migration. Until
# the first release, migrations are edited in place. There may then be no earlier commit
# with the same migrations. In that case the script runs nothing.
# It needs the PostgreSQL in TEST_DATABASE_URL, psql, curl, and the repository's history.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS orgd_previous WITH (FORCE)" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "previous: $1"
	[ ! -e "$dir/log" ] || tail -n 5 "$dir/log"
	exit 1
} >&2

newest=$(find migrations -name '*.sql' | sort | tail -n 1)
released=true
if ! before=$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null); then
	came=$(git log --diff-filter=A --format=%H -n 1 -- "$newest")
	before=${came:+$came^}
	released=false
fi
mkdir "$dir/tree"
git archive "${before:-HEAD}" | tar -x -C "$dir/tree"
for file in "$dir"/tree/migrations/*.sql; do
	if ! cmp -s "$file" "migrations/${file##*/}"; then
		changed="${file##*/} of $(git describe --tags --always "${before:-HEAD}") has been changed or removed"
		! $released || fail "$changed: restore it, and put the change into a new migration"
		echo "previous: $changed"
		echo "previous: there is no release yet, so no old server can run on this schema: nothing to run"
		exit 0
	fi
done
made_for=$(find "$dir/tree/migrations" -name '*.sql' | sed 's|.*/||' | sort | tail -n 1)
(cd "$dir/tree" && go build -o "$dir/before" ./cmd/server)
cp migrations/*.sql "$dir/tree/migrations/"
(cd "$dir/tree" && go test ./internal/http ./internal/orgs ./internal/apikeys ./internal/idempotency ./internal/accounts)

go build -o "$dir/now" ./cmd/server
psql "$TEST_DATABASE_URL" -qc "DROP DATABASE IF EXISTS orgd_previous WITH (FORCE)" -c "CREATE DATABASE orgd_previous TEMPLATE template0 ENCODING 'UTF8'" 2>/dev/null
base=${TEST_DATABASE_URL%%\?*}
export DATABASE_URL="${base%/*}/orgd_previous${TEST_DATABASE_URL#"$base"}"
"$dir/now" migrate up >/dev/null
account=$("$dir/now" accounts create --name Previous)
key=$("$dir/now" keys create --account "$account" --description previous --scope orgs:read --scope orgs:write 2>/dev/null)
ORGD_ADDR=127.0.0.1:0 ORGD_ADMIN_ADDR=127.0.0.1:0 ORGD_DRAIN_DELAY=0s "$dir/before" serve >"$dir/log" 2>&1 &
pid=$!
tries=0
until grep -q '"msg":"serving"' "$dir/log"; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] && kill -0 "$pid" || fail "the old server did not start"
	sleep 0.1
done
url=$(sed -n 's/.*"msg":"serving".*"publicUrl":"\([^"]*\)".*/\1/p' "$dir/log")
call() { curl -sSf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@" || fail "the old server rejects: $*"; }
org=$(call "$url/v1/orgs" -d '{"orgName":"Previous"}' | grep -o 'org_[0-9a-f]*')
call -X PATCH "$url/v1/orgs/$org" -d '{"metadata":{"a":"b"}}' >/dev/null
call "$url/v1/orgs?limit=1" | grep -q "$org" || fail "the old server does not list the organization that it created"
kill "$pid"
wait "$pid" || fail "the old server exited with an error"
pid=
echo "previous: $(git describe --tags --always "${before:-HEAD}"), built for $made_for, runs on ${newest#migrations/}"

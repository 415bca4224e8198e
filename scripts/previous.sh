#!/bin/sh
# Runs the tests of the release before on the schema of this tree, and then its program:
# while replicas are replaced, old ones serve on it. The release before is the newest
# tag v… behind this commit, or, without one, the commit before the newest migration came.
# Needs the PostgreSQL in TEST_DATABASE_URL, psql, curl, and the history of the repository.
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
	tail -n 5 "$dir/log"
	exit 1
}

newest=$(find migrations -name '*.sql' | sort | tail -n 1)
if ! before=$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null); then
	came=$(git log --diff-filter=A --format=%H -n 1 -- "$newest")
	before=${came:+$came^}
fi
mkdir "$dir/tree"
git archive "${before:-HEAD}" | tar -x -C "$dir/tree"
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
	[ $tries -lt 100 ] && kill -0 "$pid" || fail "its program does not serve"
	sleep 0.1
done
url=$(sed -n 's/.*"msg":"serving".*"publicUrl":"\([^"]*\)".*/\1/p' "$dir/log")
call() { curl -sSf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@" || fail "its program refuses: $*"; }
org=$(call "$url/v1/orgs" -d '{"orgName":"Previous"}' | grep -o 'org_[0-9a-f]*')
call -X PATCH "$url/v1/orgs/$org" -d '{"metadata":{"a":"b"}}' >/dev/null
call "$url/v1/orgs?limit=1" | grep -q "$org" || fail "its program does not list what it has made"
kill "$pid"
wait "$pid" || fail "its program does not end well"
pid=
echo "previous: the release $(git rev-parse --short "${before:-HEAD}"), made for $made_for, runs on ${newest#migrations/}"

#!/bin/sh
# Starts `server dev` in an empty directory and walks all its organizations with the key
# in dev.env. Creates, changes and deactivates an organization. Kills the server, starts
# it again in the same directory, and stops it. It needs curl.
# Usage: smoke.sh SERVER [ORGS]
set -eu

server=$1
orgs=${2:-250}
dir=$(mktemp -d)
chmod 711 "$dir" # if root runs this, PostgreSQL runs as another user
pid=

cleanup() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# fail MESSAGE [FILE…]: prints the files and the message, and exits.
fail() {
	message=$1
	shift
	[ $# = 0 ] || cat "$@"
	echo "smoke: $message"
	exit 1
} >&2

start() {
	: >"$dir/out"
	"$server" dev --addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data-dir "$dir/data" --orgs "$orgs" >"$dir/log" 2>"$dir/out" &
	pid=$!
	tries=0
	until grep -q 'Ctrl-C' "$dir/out"; do
		kill -0 "$pid" 2>/dev/null || fail "server dev exited" "$dir/out" "$dir/log"
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || fail "server dev did not start" "$dir/out"
		sleep 0.1
	done
	. "$dir/data/dev.env"
}

walk() {
	: >"$dir/ids"
	cursor=
	pages=0
	while :; do
		curl -sSf -H "Authorization: Bearer $ORGD_API_KEY" "$ORGD_URL/v1/orgs?limit=100$cursor" >"$dir/page"
		grep -o '"orgId":"org_[0-9a-f]\{32\}"' "$dir/page" >>"$dir/ids" || true
		pages=$((pages + 1))
		next=$(sed -n 's/.*"cursor":"\([A-Za-z0-9_-]*\)"}$/\1/p' "$dir/page")
		[ -n "$next" ] || break
		cursor="&cursor=$next"
	done
	seen=$(wc -l <"$dir/ids")
	distinct=$(sort -u "$dir/ids" | wc -l)
	[ "$seen" -eq "$orgs" ] && [ "$distinct" -eq "$orgs" ] || fail "saw $seen organizations, $distinct distinct, want $orgs"
	echo "smoke: walked $pages pages, saw each of $distinct organizations once"
}

# call METHOD PATH BODY [HEADER]: prints the response, and fails if it is not 2xx.
call() {
	curl -sSf -X "$1" "$ORGD_URL$2" -H "Authorization: Bearer $ORGD_API_KEY" -H 'Content-Type: application/json' -H "${4:-X-None: none}" -d "$3"
}

live_through() {
	body='{"orgName":"Smoke & Søn","metadata":{"smoke":"yes"}}'
	org=$(call POST /v1/orgs "$body" 'Idempotency-Key: smoke' | grep -o 'org_[0-9a-f]*')
	[ "$(call POST /v1/orgs "$body" 'Idempotency-Key: smoke' | grep -o 'org_[0-9a-f]*')" = "$org" ] || fail "a retry created another organization"
	user=usr_00000000000000000000000000000001
	call POST "/v1/orgs/$org/users" "{\"userId\":\"$user\"}" >/dev/null
	call PATCH "/v1/orgs/$org" '{"orgName":"Smoke Ltd"}' 'If-Match: "2"' >/dev/null
	curl -sSf -g -H "Authorization: Bearer $ORGD_API_KEY" "$ORGD_URL/v1/orgs?orgName=smoke&isActive=true&userId=$user&metadata[smoke]=yes" >"$dir/page"
	grep -q "\"hasMore\":false.*$org.*Smoke Ltd.*\"userCount\":1" "$dir/page" || fail "the filters do not find the organization" "$dir/page"
	call DELETE "/v1/orgs/$org/users" "{\"userId\":\"$user\"}" >/dev/null
	call POST "/v1/orgs/$org/deactivate" '' | grep -q '"isActive":false' || fail "the organization is still active"
	orgs=$((orgs + 1))
	echo "smoke: created, changed, found and deactivated an organization"
}

start
walk
live_through
key=$ORGD_API_KEY

# A second server in the same directory must fail.
if "$server" dev --addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data-dir "$dir/data" >/dev/null 2>"$dir/second"; then
	fail "a second server dev started"
fi
grep -q "process $pid" "$dir/second" || fail "the error does not name the process that uses the directory"

# After a kill, the data and the key are still there.
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
start
[ "$ORGD_API_KEY" = "$key" ] || fail "the key has changed"
walk

kill -INT "$pid"
wait "$pid" || fail "server dev exited with an error"
pid=
! curl -sf -m 2 "$ORGD_URL/livez" >/dev/null || fail "the server still answers"
echo "smoke: stopped cleanly"

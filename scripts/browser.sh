#!/bin/sh
# Tests the dashboard in Chromium, against a server that it starts. It needs Node.js, npm
# and Chromium: ORGD_CHROMIUM, or else chromium in PATH. With arguments, it runs node with
# them instead of all tests. ORGS is the number of organizations. Usage: browser.sh SERVER
# [--test test/keys.test.mjs]
set -eu

server=$(realpath "$1")
shift
cd "$(dirname "$0")/../dashboard"
dir=$(mktemp -d)
chmod 711 "$dir" # if root runs this, PostgreSQL runs as another user
pid=

cleanup() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel error

: >"$dir/out"
"$server" dev --addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data-dir "$dir/data" --orgs "${ORGS:-250}" >"$dir/log" 2>"$dir/out" &
pid=$!
tries=0
most=$((1200 + ${ORGS:-250} / 200)) # filling the database takes a while
until grep -q Ctrl-C "$dir/out"; do
	kill -0 "$pid" 2>/dev/null || { cat "$dir/out" "$dir/log"; exit 1; } >&2
	tries=$((tries + 1))
	[ $tries -lt $most ] || { cat "$dir/out"; echo 'browser: server dev did not start'; exit 1; } >&2
	sleep 0.1
done
. "$dir/data/dev.env"
export ORGD_URL ORGD_API_KEY

if [ $# -gt 0 ]; then node "$@"; else npm run --silent test; fi

#!/bin/sh
# Starts `server dev`, creates a webhook, and verifies what arrives with the JavaScript
# library of Standard Webhooks, which the official TypeScript client uses in unwrap. It
# needs curl, Node.js and npm.
# Usage: webhooks.sh SERVER
set -eu

server=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
dir=$(mktemp -d)
chmod 711 "$dir" # if root runs this, PostgreSQL runs as another user
pid= receiver=

cleanup() {
	[ -z "$receiver" ] || { kill "$receiver" 2>/dev/null && wait "$receiver" || true; }
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# await WHAT COMMAND…: waits until the command succeeds.
await() {
	what=$1
	shift
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { cat "$dir/out" "$dir/received"; echo "webhooks: $what"; exit 1; } >&2
		sleep 0.1
	done
}

# call METHOD PATH BODY: prints the response, and fails if it is not 2xx.
call() {
	curl -sSf -X "$1" "$ORGD_URL$2" -H "Authorization: Bearer $ORGD_API_KEY" -H 'Content-Type: application/json' -d "$3"
}

mkdir "$dir/node"
cp "$here/webhooks.mjs" "$dir/node/"
(cd "$dir/node" && npm init -y >/dev/null && npm install --no-audit --no-fund --loglevel error standardwebhooks@1.1.1 >/dev/null)

"$server" dev --addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data-dir "$dir/data" --orgs 1 >"$dir/log" 2>"$dir/out" &
pid=$!
: >"$dir/received"
await 'server dev did not start' grep -q Ctrl-C "$dir/out"
. "$dir/data/dev.env"

: >"$dir/secrets"
node "$dir/node/webhooks.mjs" "$dir/secrets" >"$dir/received" &
receiver=$!
await 'the receiver did not start' grep -q '^listening' "$dir/received"
url=$(sed -n 's/^listening //p' "$dir/received")

# secret_of RESPONSE: prints the secret in it.
secret_of() { printf '%s\n' "$1" | sed -n 's/.*"secret":"\([^"]*\)".*/\1/p'; }

made=$(call POST /v1/webhooks "{\"url\":\"$url\",\"description\":\"Script\"}")
secret_of "$made" >"$dir/secrets"
path=/v1/webhooks/$(printf %s "$made" | grep -o 'wh_[0-9a-f]\{32\}' | head -1)
call POST "$path/test" '{}' | grep -q '"status":204' || { cat "$dir/received"; echo 'webhooks: the test failed'; exit 1; } >&2
call POST /v1/orgs '{"orgName":"Åkesson & Søn 🙂","metadata":{"quote":"\" \\ \u2028"}}' >/dev/null
await 'the creation did not arrive' grep -q '^1 secret verified org.created' "$dir/received"

# During the overlap, a receiver can verify events with either secret.
rotated=$(call POST "$path/rotate-secret" '{"overlapSeconds":3600}')
sleep 1
secret_of "$rotated" >>"$dir/secrets"
call POST /v1/orgs '{"orgName":"After the rotation"}' >/dev/null
await 'the event was not verified with both secrets' grep -q '^2 secrets verified org.created' "$dir/received"
! grep -q wrong "$dir/received" || { cat "$dir/received"; exit 1; } >&2
grep verified "$dir/received" | sed 's/^/webhooks: /'

#!/bin/sh
# Builds and tests clients/typescript. Then, for each generator in clients/check, generates
# a client from openapi.yaml, compiles it, and drives a real server with it: create, list,
# patch, members, keys. It needs Node.js and npm. Usage: clients.sh SERVER
set -eu

server=$(realpath "$1")
cd "$(dirname "$0")/../clients"
dir=$(mktemp -d)
chmod 711 "$dir" # if root runs this, PostgreSQL runs as another user
pid=

cleanup() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# step WHAT COMMAND…: runs the command, and prints how long it took or, if it fails, its output.
step() {
	what=$1
	shift
	began=$(date +%s)
	"$@" >"$dir/step" 2>&1 || { cat "$dir/step"; echo "clients: $what failed"; exit 1; } >&2
	echo "clients: $what: $(($(date +%s) - began)) s"
}

: >"$dir/out"
"$server" dev --addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --data-dir "$dir/data" --orgs 250 >"$dir/log" 2>"$dir/out" &
pid=$!
tries=0
until grep -q Ctrl-C "$dir/out"; do
	kill -0 "$pid" 2>/dev/null || { cat "$dir/out" "$dir/log"; exit 1; } >&2
	tries=$((tries + 1))
	[ $tries -lt 1200 ] || { cat "$dir/out"; echo 'clients: server dev did not start'; exit 1; } >&2
	sleep 0.1
done
. "$dir/data/dev.env"
export ORGD_URL ORGD_API_KEY

install() { npm ci --no-audit --no-fund --loglevel error; }

typescript() (
	cd typescript && install && npm run -s schema:check && npm test && npm run -s test:integration && npm pack --dry-run --ignore-scripts
)

# node_client DIRECTORY: generates, compiles and runs a TypeScript client.
node_client() (
	cd "check/$1" && install && npm run -s generate && npm run -s build && node gen/build/drive.js
)

# go_client DIRECTORY: generates, compiles and runs a Go client. ogen writes 390,000 lines,
# which compile in half the time without optimizations.
go_client() (
	cd "check/$1" && go generate && go run -gcflags='orgd/clients/check/...=-N -l' .
)

step clients/typescript typescript
step openapi-fetch node_client openapi-fetch
step @hey-api/openapi-ts node_client hey-api
step oapi-codegen go_client oapi-codegen
step ogen go_client ogen

#!/usr/bin/env bash
# Runs the image IMAGE with docker-compose.yml, as an operator would: starts it, creates a
# key, lists a page through the load balancer, replaces the replicas and upgrades to a
# newer schema under load, and stops. No request may fail. The load is a fixed number of
# clients. Each waits for its response and changes its own organizations, so a slow
# machine gets fewer requests and the result does not depend on its speed.
# It needs Docker, Compose v2, Go and curl. Usage: container.sh IMAGE [ORGS [ROLLOUTS]]
set -euo pipefail
cd "$(dirname "$0")/.."

export ORGD_IMAGE=$1
orgs=${2:-2500}
rollouts=${3:-1}
clients=8

export COMPOSE_PROJECT_NAME=orgd-container-test
port() { echo $((20000 + ($$ + $1) % 10000)); }
ORGD_PORT=$(port 0) ORGD_POSTGRES_PORT=$(port 1)
export ORGD_PORT ORGD_POSTGRES_PORT
url=http://127.0.0.1:$ORGD_PORT
dir=$(mktemp -d)
load=

cleanup() {
	[ -z "$load" ] || kill "$load" 2>/dev/null || true
	docker compose down --volumes --timeout 45 >/dev/null 2>&1 || true
	docker image rm "$ORGD_IMAGE-next" >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { echo "container: $*"; }
fail() {
	say "$*"
	docker compose ps -a
	docker compose logs --tail 15
	exit 1
} >&2

size=$(docker image inspect -f '{{.Size}}' "$ORGD_IMAGE")
[ "$size" -le $((30 << 20)) ] || fail "the image is $size bytes; the limit is 30 MiB"
user=$(docker image inspect -f '{{.Config.User}}' "$ORGD_IMAGE")
case $user in '' | 0 | root) fail "the image runs as ${user:-root}" ;; esac

docker compose up --wait --no-build >"$dir/up" 2>&1 || { cat "$dir/up" >&2; fail "docker compose up --wait failed"; }
server() { docker compose run --rm -T server "$@" 2>"$dir/run" || { cat "$dir/run" >&2; fail "server $1 failed"; }; }
account=$(server accounts create --name "Container test")
key=$(server keys create --account "$account" --description load --scope orgs:read --scope orgs:write --scope orgs:delete --scope members:write --scope users:erase --rate-limit 0)
server seed --account "$account" --orgs "$orgs" >/dev/null
call() { curl -sSf -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
call "$url/v1/orgs?limit=2" >"$dir/page"
grep -q '"hasMore":true.*"cursor"' "$dir/page" || fail "the response is not a page with a cursor: $(cat "$dir/page")"
say "started, created a key, listed a page of $orgs organizations; the image is $((size >> 20)) MiB and runs as $user"

for container in $(docker compose ps -q server); do
	held=$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$container")
	[ "$held" = 'true [ALL] [no-new-privileges:true]' ] || fail "a replica is not hardened: $held"
done

go build -o "$dir/faults" ./faults
(umask 077 && echo "$key" >"$dir/key")

# under_load WHAT COMMAND…: runs the command under load, and fails if any request fails.
under_load() {
	what=$1
	shift
	"$dir/faults" load --url "$url" --key-file "$dir/key" --workers "$clients" >"$dir/report" 2>&1 &
	load=$!
	sleep 2
	"$@" >"$dir/$what" 2>&1 || { cat "$dir/$what" >&2; fail "$what failed"; }
	sleep 2
	kill -INT "$load"
	succeeded=1
	wait "$load" || succeeded=
	load=
	[ -n "$succeeded" ] || { cat "$dir/report" >&2; fail "requests failed during $what"; }
	say "$what: $(cat "$dir/report")"
}

# Run the load alone first: a failure here is not caused by a rollout.
under_load "the load alone" sleep 5
for i in $(seq "$rollouts"); do under_load "rollout $i" scripts/rollout.sh; done

# A release with a newer schema: a nullable column, and an index on it.
mkdir "$dir/next"
printf -- '-- +goose Up\nALTER TABLE orgs ADD COLUMN container_test text;\n\n-- +goose Down\nALTER TABLE orgs DROP COLUMN container_test;\n' >"$dir/90001.sql"
printf -- '-- +goose NO TRANSACTION\n-- +goose Up\nSET lock_timeout = 0;\nDROP INDEX CONCURRENTLY IF EXISTS orgs_container_test;\nCREATE INDEX CONCURRENTLY orgs_container_test ON orgs (account_id, container_test, created_at);\nRESET lock_timeout;\n\n-- +goose Down\nDROP INDEX CONCURRENTLY orgs_container_test;\n' >"$dir/90002.sql"
cat >"$dir/overlay.json" <<END
{"Replace": {"$PWD/migrations/90001_column.sql": "$dir/90001.sql", "$PWD/migrations/90002_index.sql": "$dir/90002.sql"}}
END
CGO_ENABLED=0 go build -trimpath -overlay "$dir/overlay.json" -ldflags "-s -w -X main.version=next" -o "$dir/next/server" ./cmd/server
printf 'FROM %s\nCOPY server /server\n' "$ORGD_IMAGE" >"$dir/next/Dockerfile"
docker build -t "$ORGD_IMAGE-next" "$dir/next" >"$dir/build" 2>&1 || { cat "$dir/build" >&2; fail "the image of the next release cannot be built"; }
refused_rollout() {
	! ORGD_IMAGE=$ORGD_IMAGE-next scripts/rollout.sh || return 1
	[ "$(docker compose ps -aq server | sort)" = "$1" ]
}
under_load "refusal of a release that needs a newer schema" refused_rollout "$(docker compose ps -aq server | sort)"
grep -q 'run `server migrate up`' "$dir/refusal of a release that needs a newer schema" || fail "the output does not say why: $(cat "$dir/refusal of a release that needs a newer schema")"

migrate() { ORGD_IMAGE=$ORGD_IMAGE-next docker compose run --rm -T migrate; }
rollout_during_migration() {
	migrate &
	migration=$!
	scripts/rollout.sh && wait "$migration"
}
under_load "rollout during a migration" rollout_during_migration
upgrade() { ORGD_IMAGE=$ORGD_IMAGE-next scripts/rollout.sh; }
under_load "upgrade" upgrade
for container in $(docker compose ps -q server); do
	[ "$(docker exec "$container" /server version | cut -d ' ' -f 2)" = next ] || fail "a replica does not run the next release"
done

began=$(date +%s)
docker compose stop server >/dev/null 2>&1
took=$(($(date +%s) - began))
for container in $(docker compose ps -aq server); do
	code=$(docker inspect -f '{{.State.ExitCode}}' "$container")
	[ "$code" = 0 ] || fail "a replica exited with $code"
done
code=$(curl -s -o "$dir/none" -w '%{http_code}' "$url/v1/orgs")
[ "$code" = 503 ] && grep -q '"code":"unavailable"' "$dir/none" || fail "without replicas the load balancer answers $code: $(cat "$dir/none")"
say "stopped in $took s"

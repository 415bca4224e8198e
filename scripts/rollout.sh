#!/bin/sh
# Replaces the replicas of `docker compose` without a pause: starts as many new ones
# beside them, of the image and configuration that stand now, waits until those are
# ready, and only then stops the old ones, one after the other. Run it where
# docker-compose.yml is; an upgrade is
#
#   docker compose build && docker compose run --rm -T migrate && scripts/rollout.sh
set -eu

old=$(docker compose ps -q server)
[ -n "$old" ] || { echo "rollout: no replica runs; start with docker compose up --wait"; exit 1; }
count=$(echo "$old" | wc -l)

if ! docker compose up -d --wait --wait-timeout 120 --no-deps --no-recreate --scale "server=$((2 * count))" server; then
	for container in $(docker compose ps -aq server); do
		case $old in *"$container"*) continue ;; esac
		docker logs --tail 20 "$container"
		docker rm -f "$container" >/dev/null
	done
	echo "rollout: the new replicas are not ready, and are gone again; the old ones serve on"
	exit 1
fi
# The balancer asks Docker's DNS, and then the new ones, each second.
sleep 3
for container in $old; do
	docker stop -t 35 "$container" >/dev/null # as docker-compose.yml's stop_grace_period
	code=$(docker inspect -f '{{.State.ExitCode}}' "$container")
	[ "$code" = 0 ] || { echo "rollout: a replica ended with $code:"; docker logs --tail 20 "$container"; exit 1; }
	docker rm "$container" >/dev/null
done
echo "rollout: $count replicas replaced"

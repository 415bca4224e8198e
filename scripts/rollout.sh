#!/bin/sh
# Replaces the replicas of `docker compose` without a pause: starts as many new ones as
# docker-compose.yml says beside them, of the image and configuration that stand now,
# waits until those are ready, and only then stops the old ones, one after the other.
# Run it where docker-compose.yml is; an upgrade is
#
#   docker compose build && docker compose run --rm -T migrate && scripts/rollout.sh
set -eu

config=$(docker compose config)
project=$(echo "$config" | sed -n 's/^name: //p')
count=$(echo "$config" | sed -n '/^  server:/,/^  [a-z]/s/^    scale: //p')

# replicas FILTER…: not what `docker compose run` has started.
replicas() {
	docker ps -q --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.service=server \
		--filter label=com.docker.compose.oneoff=False "$@"
}

# Compose would start one that has ended again, as it was.
for container in $(replicas --filter status=exited --filter status=created); do docker rm "$container" >/dev/null; done
old=$(replicas)
[ -n "$old" ] || { echo "rollout: no replica runs; start with docker compose up --wait"; exit 1; }

started() {
	for container in $(replicas "$@"); do
		case $old in *"$container"*) ;; *) echo "$container" ;; esac
	done
}
scale=$(($(echo "$old" | wc -l) + count))
if ! docker compose up -d --wait --wait-timeout 120 --no-deps --no-recreate --scale "server=$scale" server ||
	[ "$(started | wc -l)" -ne "$count" ]; then
	for container in $(started -a); do
		docker logs --tail 20 "$container"
		docker rm -f "$container" >/dev/null
	done
	echo "rollout: the new replicas are not ready, and are gone again; the old ones serve on"
	exit 1
fi
# The balancer asks Docker's DNS, and then the new ones, each second.
sleep 3
failed=
for container in $old; do
	docker stop -t 45 "$container" >/dev/null # as docker-compose.yml's stop_grace_period
	code=$(docker inspect -f '{{.State.ExitCode}}' "$container")
	[ "$code" = 0 ] || { failed=1; echo "rollout: a replica ended with $code:"; docker logs --tail 20 "$container"; }
	docker rm "$container" >/dev/null
done
[ -z "$failed" ] || exit 1
echo "rollout: replaced by $count new replicas"

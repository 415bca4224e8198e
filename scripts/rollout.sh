#!/bin/sh
# Replaces the replicas of `docker compose` without downtime: starts as many new replicas
# as docker-compose.yml says, from the current image and configuration, waits until they
# are ready, and then stops the old ones, one by one. Run it in the directory of
# docker-compose.yml. To upgrade:
#
#   docker compose build && docker compose run --rm -T migrate && scripts/rollout.sh
set -eu

config=$(docker compose config)
project=$(echo "$config" | sed -n 's/^name: //p')
count=$(echo "$config" | sed -n '/^  server:/,/^  [a-z]/s/^    scale: //p')

# replicas FILTER…: prints the replicas, without the containers of `docker compose run`.
replicas() {
	docker ps -q --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.service=server \
		--filter label=com.docker.compose.oneoff=False "$@"
}

# Remove stopped containers: Compose would start them again with their old image.
for container in $(replicas --filter status=exited --filter status=created); do docker rm "$container" >/dev/null; done
old=$(replicas)
[ -n "$old" ] || { echo "rollout: no replica is running; start with docker compose up --wait" >&2; exit 1; }

started() {
	for container in $(replicas "$@"); do
		case $old in *"$container"*) ;; *) echo "$container" ;; esac
	done
}
scale=$(($(echo "$old" | wc -l) + count))
if ! docker compose up -d --wait --wait-timeout 120 --no-deps --no-recreate --scale "server=$scale" server ||
	[ "$(started | wc -l)" -ne "$count" ]; then
	for container in $(started -a); do
		docker logs --tail 20 "$container" >&2
		docker rm -f "$container" >/dev/null
	done
	echo "rollout: the new replicas did not become ready and were removed; the old ones keep serving" >&2
	exit 1
fi
# The load balancer queries Docker's DNS every second, and then probes the new replicas.
sleep 3
failed=
for container in $old; do
	docker stop -t 45 "$container" >/dev/null # the stop_grace_period of docker-compose.yml
	code=$(docker inspect -f '{{.State.ExitCode}}' "$container")
	[ "$code" = 0 ] || { failed=1; echo "rollout: a replica exited with $code:"; docker logs --tail 20 "$container"; } >&2
	docker rm "$container" >/dev/null
done
[ -z "$failed" ] || exit 1
echo "rollout: replaced the replicas with $count new ones"

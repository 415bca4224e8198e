#!/bin/sh
# Checks the alert rules, and the dashboard's expressions as if they were rules. Needs
# promtool.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

promtool check rules deploy/prometheus/alerts.yml
# An expression is a JSON string, and so a YAML one.
{
	printf 'groups:\n  - name: dashboard\n    rules:\n'
	sed -n 's/^ *"expr": \(".*"\),\{0,1\}$/\1/p' deploy/grafana/dashboards/orgd.json | sed 's/\$__rate_interval/5m/g' |
		awk '{ printf "      - record: panel:%d\n        expr: %s\n", NR, $0 }'
} >"$dir/dashboard.yml"
promtool check rules "$dir/dashboard.yml"

#!/bin/sh
# Checks the alert rules and the dashboard's expressions. It needs promtool. promtool
# checks only rules, so the script turns each expression into a rule.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

dashboard=deploy/grafana/dashboards/orgd.json
promtool check rules deploy/prometheus/alerts.yml
# Each expression is a JSON string, which is also a YAML string.
{
	printf 'groups:\n  - name: dashboard\n    rules:\n'
	sed -n 's/^ *"expr": \(".*"\),\{0,1\}$/\1/p' "$dashboard" | sed 's/\$__rate_interval/5m/g' |
		awk '{ printf "      - record: panel:%d\n        expr: %s\n", NR, $0 }'
} >"$dir/dashboard.yml"
found=$(grep -c '^ *expr: ' "$dir/dashboard.yml") || true
wanted=$(grep -o '"expr":' "$dashboard" | wc -l)
[ "$found" -gt 0 ] && [ "$found" -eq "$wanted" ] || { echo "alerts: only $found of the dashboard's $wanted expressions were found" >&2; exit 1; }
promtool check rules "$dir/dashboard.yml"

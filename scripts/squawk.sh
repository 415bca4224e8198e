#!/bin/sh
# Lints the Up part of each migration for statements that would block other sessions. A
# migration runs in a transaction unless it says otherwise. Migrations up to 00013 are
# skipped, because they ran only on empty databases. It needs npx.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

for file in migrations/*.sql; do
	name=${file#migrations/}
	[ "${name%%_*}" -gt 13 ] || continue
	sed '/^-- +goose Down/,$d' "$file" >"$dir/$name"
	in_transaction=--assume-in-transaction
	! grep -q '^-- +goose NO TRANSACTION' "$file" || in_transaction=
	npx --yes squawk-cli@2.66.0 --config .squawk.toml $in_transaction "$dir/$name"
done

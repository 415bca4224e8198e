#!/bin/sh
# Lints the migrations for what would stop those who use the database meanwhile: the
# steps up, each in a transaction unless it says otherwise. Those up to 00010 ran on
# empty databases, before the first release. Needs npx.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

for file in migrations/*.sql; do
	name=${file#migrations/}
	[ "${name%%_*}" -gt 10 ] || continue
	sed '/^-- +goose Down/,$d' "$file" >"$dir/$name"
	in_transaction=--assume-in-transaction
	! grep -q '^-- +goose NO TRANSACTION' "$file" || in_transaction=
	npx --yes squawk-cli@2.66.0 --config .squawk.toml $in_transaction "$dir/$name"
done

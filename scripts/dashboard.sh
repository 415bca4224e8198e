#!/usr/bin/env bash
# Builds the dashboard into the assets that the server embeds. With --check, fails if the
# committed files differ from what the sources give.
set -euo pipefail
cd "$(dirname "$0")/../dashboard"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund
npm run --silent check
npm run --silent build -- "$out"

assets=../internal/site/assets
if [ "${1:-}" = --check ]; then
  gzip -dc $assets/dashboard.js.gz | cmp - "$out/dashboard.js" && cmp $assets/dashboard.css "$out/dashboard.css" ||
    { echo "The committed dashboard is not current. Run make dashboard."; exit 1; }
  exit
fi
gzip -9nc "$out/dashboard.js" >$assets/dashboard.js.gz
cp "$out/dashboard.css" $assets/dashboard.css
ls -l $assets/dashboard.*

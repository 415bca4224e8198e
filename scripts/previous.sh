#!/bin/sh
# Runs the tests of the release before on the schema of this tree: while replicas are
# replaced, old ones serve on it. The release before is the newest tag v…, or, without
# one, the commit before the newest migration came.
# Needs the PostgreSQL in TEST_DATABASE_URL, and the history of the repository.
set -eu
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

newest=$(find migrations -name '*.sql' | sort | tail -n 1)
if ! before=$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null); then
	came=$(git log --diff-filter=A --format=%H -n 1 -- "$newest")
	before=${came:+$came^}
fi
git archive "${before:-HEAD}" | tar -x -C "$dir"
find "$dir/migrations" -name '*.sql' | sed 's|.*/||' | sort | tail -n 1 >"$dir/newest"
cp migrations/*.sql "$dir/migrations/"
(cd "$dir" && go test ./internal/http ./internal/orgs ./internal/apikeys ./internal/idempotency ./internal/accounts)
echo "previous: the release $(git rev-parse --short "${before:-HEAD}"), made for $(cat "$dir/newest"), runs on ${newest#migrations/}"

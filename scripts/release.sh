#!/bin/sh
# Builds dist/: for each platform the binary and its CycloneDX SBOM, the checksums of all
# files, and the release notes, which are the version's section of CHANGELOG.md. The same
# commit produces the same bytes. It needs GNU tar.
# Usage: release.sh VERSION COMMIT
set -eu
cd "$(dirname "$0")/.."

version=$1
commit=$2
[ -z "$(git status --porcelain)" ] || { echo "release: commit or remove all changes and untracked files first" >&2; exit 1; }
rm -rf dist
mkdir dist
awk -v heading="## $version" '/^## /{inside = $0 == heading || index($0, heading " ") == 1; next} inside' CHANGELOG.md >dist/NOTES.md
[ -s dist/NOTES.md ] || { echo "release: CHANGELOG.md has no section \"## $version\"" >&2; exit 1; }
trap 'rm -rf dist/tmp' EXIT
trap 'exit 1' INT TERM
when=$(git show -s --format=%cI "$commit")

for platform in linux/amd64 linux/arm64 darwin/arm64; do
	name=orgd_${version}_$(echo $platform | tr / _)
	mkdir -p "dist/tmp/$name"
	CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -ldflags "-s -w -X main.version=$version -X main.commit=$commit" -o "dist/tmp/$name/server" ./cmd/server
	cp LICENSE README.md CHANGELOG.md "dist/tmp/$name/"
	tar -C dist/tmp --sort=name --mtime="$when" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$name" | gzip -n >"dist/$name.tar.gz"
	go tool -modfile=tools/go.mod cyclonedx-gomod bin -json -noserial -std -licenses -version "$version" "dist/tmp/$name/server" |
		sed "s|\"timestamp\": \".*\"|\"timestamp\": \"$when\"|" >"dist/$name.cdx.json"
done
(cd dist && sha256sum ./*.tar.gz ./*.cdx.json | sed 's|\./||' >SHA256SUMS)
cat dist/SHA256SUMS

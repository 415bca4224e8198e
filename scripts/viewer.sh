#!/bin/sh
# Fetches the viewer of the API reference from npm into internal/site/assets, compressed.
# The version and the checksum of the package are those of internal/site/assets/README.md.
set -eu

cd "$(dirname "$0")/.."
assets=internal/site/assets
version=$(sed -n 's/^| version | \(.*\) |$/\1/p' $assets/README.md)
integrity=$(sed -n 's/^| integrity | `\(.*\)` |$/\1/p' $assets/README.md)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
package=$dir/$(cd "$dir" && npm pack --silent "swagger-ui-dist@$version")
if [ "sha512-$(openssl dgst -sha512 -binary "$package" | openssl base64 -A)" != "$integrity" ]; then
	echo "viewer: swagger-ui-dist $version does not have the checksum in $assets/README.md" >&2
	exit 1
fi
tar -xzf "$package" -C "$dir"
for file in swagger-ui-bundle.js swagger-ui.css; do
	# The source maps are not served.
	sed '/sourceMappingURL=/d' "$dir/package/$file" | gzip -9n >"$assets/$file.gz"
done
cp "$dir/package/LICENSE" $assets/swagger-ui-LICENSE.txt
cat "$dir/package/NOTICE" "$dir/package/swagger-ui-bundle.js.LICENSE.txt" >$assets/swagger-ui-NOTICE.txt

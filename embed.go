// Package orgd holds the documents that the server carries with it.
package orgd

import _ "embed"

// OpenAPIYAML is the description of the API, written by hand.
//
//go:embed openapi.yaml
var OpenAPIYAML []byte

// OpenAPIJSON is OpenAPIYAML in JSON, made by `make openapi`; a test holds it to
// its source.
//
//go:embed openapi.json
var OpenAPIJSON []byte

// Compose is the Compose file, for `server dev` where no PostgreSQL is
// installed.
//
//go:embed docker-compose.yml
var Compose []byte

// Package orgd embeds files that the server needs at run time.
package orgd

import "embed"

// OpenAPIYAML is the OpenAPI description of the API. It is written by hand.
//
//go:embed openapi.yaml
var OpenAPIYAML []byte

// OpenAPIJSON is OpenAPIYAML as JSON. `make openapi` generates it, and a test checks
// that it is current.
//
//go:embed openapi.json
var OpenAPIJSON []byte

// Guides contains the documents that the server shows as pages.
//
//go:embed docs/*.md
var Guides embed.FS

// Compose is docker-compose.yml. `server dev` starts PostgreSQL from it if Docker is
// available and no PostgreSQL is installed.
//
//go:embed docker-compose.yml
var Compose []byte

# orgd. `make` alone lists the targets.

GO    ?= go
TOOL   = $(GO) tool -modfile=tools/go.mod
LINT   = $(GO) tool -modfile=tools/lint/go.mod
# make run ORGS=100000 ADDR=127.0.0.1:8081
ORGS  ?= 250
ADDR  ?= 127.0.0.1:8080
DATA  ?= .data
FUZZ  ?= 30s
# Minimize inputs only briefly: a run fails if it ends during a minimization.
SHRINK = -fuzzminimizetime 10x

.PHONY: help run build image container release test repositories check fmt lint vulnerabilities smoke webhooks clients pgbouncer restore transfer previous alerts squawk faults kustomize fuzz bench openapi dashboard dashboard-check test-browser browser-speed screenshots

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

# Finds or downloads a PostgreSQL before anything large is built, or says how to get one.
.PHONY: postgres
postgres:
	@$(GO) run ./internal/pgprograms/ensure DATABASE_URL

run: postgres build ## start a server with a database and sample organizations; needs no configuration
	@exec bin/server dev --addr $(ADDR) --data-dir $(DATA) --orgs $(ORGS)

# The commit's tag without the leading v, or the contents of VERSION.
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null)),$(shell cat VERSION))
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -X main.version=$(VERSION) -X main.commit=$(COMMIT)

build: ## build bin/server
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="$(LDFLAGS)" -o bin/server ./cmd/server

# Set DOCKER_FLAGS=--network=host if builds have no network.
image: ## build the container image orgd:local (needs Docker)
	docker build $(DOCKER_FLAGS) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t orgd:local .

# make container ORGS=1000000 ROLLOUTS=3
container: image ## run the image with Compose, replace its replicas and upgrade it under load (needs Docker, Compose)
	scripts/container.sh orgd:local $(ORGS) $(ROLLOUTS)

release: ## build dist/: binaries for each platform, their SBOMs and checksums
	scripts/release.sh $(VERSION) $(COMMIT)

# make test PG=16 downloads that version, from 15 to 18, and uses it.
test: export TEST_POSTGRES_VERSION = $(PG)
test: ## run all tests, against a real PostgreSQL that it finds, starts or downloads
	@$(GO) run ./internal/pgprograms/ensure TEST_DATABASE_URL
	$(GO) run ./internal/dbtest/withdb $(GO) test -race -shuffle=on -timeout 20m ./...

repositories: ## run the repositories' tests on a downloaded PostgreSQL: make repositories PG=15
	TEST_POSTGRES_VERSION=$(or $(PG),18) $(GO) run ./internal/dbtest/withdb $(GO) test ./internal/db ./internal/orgs ./internal/apikeys ./internal/idempotency ./internal/seed

check: lint test ## run lint and test; every commit must pass them

fmt: ## format the code
	$(LINT) golangci-lint fmt

lint: ## check formatting, run the linters of .golangci.yml, check go mod tidy
	$(LINT) golangci-lint run
	$(GO) mod tidy -diff

vulnerabilities: ## check the dependencies for known vulnerabilities (needs the Internet)
	$(LINT) govulncheck ./...

smoke: build ## start `server dev`, walk all pages with the printed key, stop
	scripts/smoke.sh bin/server

webhooks: build ## verify webhooks with the JavaScript library of Standard Webhooks (needs curl and npm)
	scripts/webhooks.sh bin/server

clients: build ## test clients/typescript, and clients that four generators make from openapi.yaml (needs npm)
	scripts/clients.sh bin/server

pgbouncer: build ## test serving through PgBouncer in transaction mode (needs pgbouncer, psql and curl)
	$(GO) run ./internal/dbtest/withdb scripts/pgbouncer.sh bin/server

restore: build ## dump ORGS organizations during writes, restore them, serve (needs psql, pg_dump, pg_restore and curl)
	$(GO) run ./internal/dbtest/withdb scripts/restore.sh bin/server $(ORGS)

transfer: build ## export ORGS organizations, import them with and without kills, and compare the exports (needs psql)
	$(GO) run ./internal/dbtest/withdb scripts/transfer.sh bin/server $(ORGS)

previous: ## run the previous release's tests and server on the schema of this one (needs psql, curl)
	$(GO) run ./internal/dbtest/withdb scripts/previous.sh

# make faults N=20 also rewrites the table in docs/reliability.md. The machine must then
# be able to run every fault.
faults: build ## break the database, the network and the server under load, N=1 times each, and check the result
	$(GO) run ./faults --server bin/server --runs $(or $(N),1) $(if $(N),--report docs/reliability.md)

squawk: ## lint the migrations (needs npx)
	scripts/squawk.sh

alerts: ## check the alert rules and the dashboard's expressions (needs promtool)
	scripts/alerts.sh

kustomize: ## render the Kubernetes manifests
	$(TOOL) kustomize build deploy/kubernetes/base >/dev/null
	$(TOOL) kustomize build deploy/kubernetes/overlays/production

fuzz: ## run each fuzz test for FUZZ (30s)
	$(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZ) $(SHRINK) ./internal/cursor
	$(GO) test -run '^$$' -fuzz FuzzFoldIsStable -fuzztime $(FUZZ) $(SHRINK) ./internal/orgs
	$(GO) test -run '^$$' -fuzz FuzzAppendString -fuzztime $(FUZZ) $(SHRINK) ./internal/wire
	$(GO) test -run '^$$' -fuzz FuzzAppendPage -fuzztime $(FUZZ) $(SHRINK) ./internal/http
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZ) $(SHRINK) ./internal/transfer
	$(GO) test -run '^$$' -fuzz FuzzReadObject -fuzztime $(FUZZ) $(SHRINK) ./internal/http

bench: ## run the Go benchmarks, then a load test with a million organizations (needs wrk and pgbench)
	$(GO) run ./internal/dbtest/withdb $(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(GO) run ./bench

dashboard: ## build the dashboard's script and style sheet from dashboard/ (needs npm)
	scripts/dashboard.sh

dashboard-check: ## check that the built dashboard is current (needs npm)
	scripts/dashboard.sh --check

test-browser: build ## test the dashboard in Chromium (needs npm and chromium)
	scripts/browser.sh bin/server

browser-speed: build ## measure the dashboard in Chromium, with ORGS organizations (needs npm and chromium)
	ORGS=$(ORGS) scripts/browser.sh bin/server test/speed.mjs

screenshots: build ## make the screenshots of the README (needs npm and chromium)
	scripts/browser.sh bin/server test/readme.mjs

openapi: ## generate openapi.json from openapi.yaml
	$(GO) test ./internal/http -run TestOpenAPIJSONIsTheYAML -update-openapi

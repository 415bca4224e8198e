# orgd. `make` alone lists the targets.

GO    ?= go
TOOL   = $(GO) tool -modfile=tools/go.mod
# make run ORGS=100000 ADDR=127.0.0.1:8081
ORGS  ?= 250
ADDR  ?= 127.0.0.1:8080
DATA  ?= .data
FUZZ  ?= 30s
# Short, or an input that is being shrunk at the end fails the run.
SHRINK = -fuzzminimizetime 10x

.PHONY: help run build image container release test check fmt lint smoke pgbouncer restore previous alerts squawk faults kustomize fuzz bench openapi

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## a server with a database and sample organizations, nothing to configure
	@exec bin/server dev --addr $(ADDR) --data-dir $(DATA) --orgs $(ORGS)

# A release is built from its tag: v1.2.3, or v1.2.3-4-gabcdef behind it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -X main.version=$(VERSION) -X main.commit=$(COMMIT)

build: ## bin/server
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="$(LDFLAGS)" -o bin/server ./cmd/server

# DOCKER_FLAGS=--network=host, where a build has no network of its own.
image: ## the container image orgd:local (needs Docker)
	docker build $(DOCKER_FLAGS) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t orgd:local .

# make container ORGS=1000000 ROLLOUTS=3
container: image ## bring the image up by Compose, replace its replicas and upgrade it under load (needs Docker, Compose)
	scripts/container.sh orgd:local $(ORGS) $(ROLLOUTS)

release: ## dist/: programs for each platform, their SBOMs and checksums
	scripts/release.sh $(VERSION) $(COMMIT)

test: ## every test, against a real PostgreSQL that it finds or starts
	$(GO) run ./internal/dbtest/withdb $(GO) test -race -shuffle=on ./...

check: lint test ## what every commit passes

fmt: ## format the code
	$(TOOL) gofumpt -w .

lint: ## formatting, vet, staticcheck, tidy modules
	@unformatted=$$($(TOOL) gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) mod tidy -diff

smoke: build ## start `server dev`, walk all pages with the printed key, stop
	scripts/smoke.sh bin/server

pgbouncer: build ## serve through PgBouncer in transaction mode (needs pgbouncer, psql and curl)
	$(GO) run ./internal/dbtest/withdb scripts/pgbouncer.sh bin/server

restore: build ## dump ORGS organizations under writes, restore them, serve (needs psql, pg_dump, pg_restore and curl)
	$(GO) run ./internal/dbtest/withdb scripts/restore.sh bin/server $(ORGS)

previous: ## the tests and the program of the release before, on the schema of this one (needs psql, curl)
	$(GO) run ./internal/dbtest/withdb scripts/previous.sh

# make faults N=20 writes the table of docs/reliability.md. The report wants every fault.
faults: build ## break the database, the network and the server under load, N=1 times each, and check what is left
	$(GO) run ./faults --server bin/server --runs $(or $(N),1) $(if $(N),--report docs/reliability.md)

squawk: ## lint the migrations (needs npx)
	scripts/squawk.sh

alerts: ## check the alert rules and the dashboard's expressions (needs promtool)
	scripts/alerts.sh

kustomize: ## render the Kubernetes manifests
	$(TOOL) kustomize build deploy/kubernetes/base >/dev/null
	$(TOOL) kustomize build deploy/kubernetes/overlays/production

fuzz: ## each fuzz test for FUZZ (30s)
	$(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZ) $(SHRINK) ./internal/cursor
	$(GO) test -run '^$$' -fuzz FuzzFoldIsStable -fuzztime $(FUZZ) $(SHRINK) ./internal/orgs
	$(GO) test -run '^$$' -fuzz FuzzAppendString -fuzztime $(FUZZ) $(SHRINK) ./internal/http
	$(GO) test -run '^$$' -fuzz FuzzAppendPage -fuzztime $(FUZZ) $(SHRINK) ./internal/http
	$(GO) test -run '^$$' -fuzz FuzzReadObject -fuzztime $(FUZZ) $(SHRINK) ./internal/http

bench: ## Go benchmarks, then a load run over a seeded million (needs wrk)
	$(GO) run ./internal/dbtest/withdb $(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(GO) run ./bench

openapi: ## openapi.json from openapi.yaml
	$(GO) test ./internal/http -run TestOpenAPIJSONIsTheYAML -update-openapi

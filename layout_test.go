package orgd_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport lists, for each library package of this module, which other packages of the
// module it may import. internal/db imports no package that knows a table, and
// internal/http does not import internal/db.
var mayImport = map[string][]string{
	"internal/uuid":       {},
	"internal/text":       {},
	"internal/cursor":     {},
	"internal/telemetry":  {},
	"internal/localpg":    {"internal/pgprograms"},
	"internal/pgprograms": {"internal/progress"},
	// The Makefile runs this program before it builds anything else.
	"internal/pgprograms/ensure": {"internal/localpg", "internal/pgprograms"},
	"internal/child":             {},
	"internal/progress":          {},
	"internal/standby":           {},
	"migrations":                 {},
	"internal/db":                {},
	"internal/accounts":          {"internal/db", "internal/idempotency", "internal/text", "internal/uuid"},
	"internal/idempotency":       {"internal/db", "internal/text", "internal/uuid"},
	"internal/apikeys":           {"internal/db", "internal/uuid", "internal/cursor", "internal/idempotency", "internal/text"},
	"internal/orgs":              {"internal/db", "internal/uuid", "internal/cursor", "internal/idempotency", "internal/text"},
	"internal/events":            {"internal/db", "internal/uuid", "internal/cursor"},
	"internal/webhooks":          {"internal/cursor", "internal/db", "internal/events", "internal/idempotency", "internal/text", "internal/uuid", "internal/wire"},
	"internal/seed":              {"internal/db", "internal/orgs", "internal/uuid"},
	"internal/transfer":          {"internal/orgs", "internal/uuid", "internal/text", "internal/wire"},
	"internal/ratelimit":         {},
	"internal/budget":            {},
	"internal/site":              {},
	"internal/wire":              {"internal/accounts", "internal/apikeys", "internal/events", "internal/uuid"},
	"internal/http":              {"internal/apikeys", "internal/budget", "internal/cursor", "internal/events", "internal/idempotency", "internal/orgs", "internal/ratelimit", "internal/text", "internal/uuid", "internal/site", "internal/webhooks", "internal/wire"},
}

// onlyIn lists the only packages that may import a library. An upgrade of the library
// then affects few packages.
var onlyIn = map[string][]string{
	"github.com/labstack/echo/v4":         {"internal/http"},
	"github.com/pressly/goose/v3":         {"internal/db"},
	"github.com/alecthomas/kong":          {"cmd/server"},
	"github.com/yuin/goldmark":            {"internal/site"},
	"github.com/maypok86/otter/v2":        {"internal/apikeys", "internal/ratelimit"},
	"github.com/testcontainers":           {"internal/dbtest"},
	"github.com/prometheus/client_golang": {"internal/telemetry"},
	"go.opentelemetry.io":                 {"internal/telemetry"},
	"github.com/exaring/otelpgx":          {"internal/telemetry"},
	// pgconn has PostgreSQL's error codes. internal/db translates them for other
	// packages.
	"github.com/jackc/pgx/v5/pgconn": {"internal/db", "faults"},
}

func TestLayout(t *testing.T) {
	t.Parallel()
	checked := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && file != "." {
			if _, err := os.Stat(path.Join(file, "go.mod")); err == nil {
				return fs.SkipDir // another module
			}
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		checked++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, file, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 30 {
		t.Errorf("only %d files were checked", checked)
	}
}

func checkImport(t *testing.T, file, imported string) {
	t.Helper()
	dir := path.Dir(file)
	if ours, ok := strings.CutPrefix(imported, "orgd/"); ok {
		allowed, bound := mayImport[dir]
		if !bound && strings.HasPrefix(dir, "internal/") && !strings.HasPrefix(dir, "internal/dbtest") {
			t.Errorf("%s is in a package that is missing from mayImport", file)
		}
		if bound && !slices.Contains(allowed, ours) {
			t.Errorf("%s may not import %s", file, imported)
		}
		isForTests := strings.HasSuffix(ours, "dbtest") && !strings.HasPrefix(dir, "internal/dbtest") || ours == "internal/standby" && dir != "faults"
		if isForTests {
			t.Errorf("%s imports the test package %s", file, imported)
		}
	}
	for library, allowed := range onlyIn {
		if strings.HasPrefix(imported, library) && !slices.Contains(allowed, dir) {
			t.Errorf("%s may not import %s", file, imported)
		}
	}
	if strings.HasPrefix(imported, "github.com/jackc/pgx") && (dir == "internal/http" || dir == "cmd/server") {
		t.Errorf("%s may not import pgx", file)
	}
}

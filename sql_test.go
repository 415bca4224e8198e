package orgd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// growing matches the use of a table that grows with the number of accounts. The primary
// keys of these tables begin with account_id, so that the tables can be distributed over
// several PostgreSQL servers by account.
var growing = regexp.MustCompile(`\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+(orgs|org_members|org_erasures|user_erasures|events|feeds|webhooks|webhook_attempts|idempotency_keys|unanswered_creations)\b`)

var (
	writes = regexp.MustCompile(`\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)`)
	// ofAccount matches a comparison with the account's id, or its place in a new row. A join
	// USING (account_id) alone would reach the rows of all accounts.
	ofAccount = regexp.MustCompile(`\baccount_id\s*(?:=|IN\b)|\([^()]*\baccount_id\b[^()]*\)\s*(?:=|>|<|VALUES|SELECT|IN\b)|\bINTO\s+\w+\s*\([^()]*\baccount_id\b`)
	called    = regexp.MustCompile(`\b([a-z_0-9]+)\(`)
	forbidden = regexp.MustCompile(`\bSKIP LOCKED\b|\bxmin\b|\b(?:txid|pg_current_xact|pg_snapshot|pg_xact)\w*\s*\(`)
)

// unchanging lists the functions that writes may call. PostgreSQL says that they are stable
// or immutable. Other words before a parenthesis are SQL's or names of tables.
var unchanging = words("now coalesce greatest nullif unnest jsonb_set make_interval width_bucket")

// ofWorkers lists the files with statements that no request runs. They look for work in all
// accounts, and may be sent to every node.
var ofWorkers = regexp.MustCompile(`^internal/(?:webhooks/(?:lease|stats)|orgs/erase)\.go:`)

const ofAllAccounts = "does not compare account_id"

// faultOf says why a statement could not run if the growing tables were distributed by
// account. It returns "" if the statement could run.
func faultOf(statement string) string {
	tables := map[string]bool{}
	for _, write := range writes.FindAllStringSubmatch(statement, -1) {
		tables[write[1]] = true
	}
	switch {
	case !growing.MatchString(statement):
		return ""
	case !ofAccount.MatchString(statement):
		return ofAllAccounts
	case len(tables) > 1:
		return "writes several tables"
	case forbidden.MatchString(statement):
		return "uses " + forbidden.FindString(statement)
	case len(tables) == 1 && (!strings.HasPrefix(statement, "INSERT") || strings.Contains(statement, "DO UPDATE")):
		for _, call := range called.FindAllStringSubmatch(statement, -1) {
			if !unchanging[call[1]] {
				return "calls " + call[1] + ", which may be volatile"
			}
		}
	}
	return ""
}

func words(text string) map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		all[word] = true
	}
	return all
}

func TestFaultOf(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"SELECT 1": "",
		"SELECT org_name FROM orgs WHERE org_id = $1":                                                       "does not compare account_id",
		"SELECT account_id, org_name FROM orgs WHERE org_id = $1":                                           "does not compare account_id",
		"SELECT 1 FROM orgs JOIN org_members AS m USING (account_id) WHERE m.user_id = $1":                  "does not compare account_id",
		"DELETE FROM user_erasures WHERE user_id = $1":                                                      "does not compare account_id",
		"SELECT 1 FROM orgs WHERE (account_id, org_id) = ($1, $2)":                                          "",
		"SELECT 1 FROM orgs WHERE account_id = $1 FOR UPDATE SKIP LOCKED":                                   "uses SKIP LOCKED",
		"UPDATE orgs SET org_id = uuid_generate_v4() WHERE account_id = $1":                                 "calls uuid_generate_v4, which may be volatile",
		"INSERT INTO orgs (account_id) VALUES ($1) ON CONFLICT (account_id) DO UPDATE SET a = random()":     "calls random, which may be volatile",
		"SELECT clock_timestamp() FROM orgs WHERE account_id = $1":                                          "",
		"UPDATE orgs SET updated_at = clock_timestamp() WHERE account_id = $1":                              "calls clock_timestamp, which may be volatile",
		"UPDATE orgs SET updated_at = now() WHERE account_id = $1":                                          "",
		"INSERT INTO events (account_id, id) VALUES ($1, gen_random_uuid())":                                "",
		"WITH o AS (INSERT INTO orgs (account_id) VALUES ($1)) INSERT INTO events (account_id) VALUES ($1)": "writes several tables",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			if got := faultOf(statement); got != want {
				t.Errorf("faultOf returned %q, want %q", got, want)
			}
		})
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	checked := 0
	for origin, statement := range allStatements(t) {
		if growing.MatchString(statement) {
			checked++
		}
		if fault := faultOf(statement); fault != "" && (fault != ofAllAccounts || !ofWorkers.MatchString(origin)) {
			t.Errorf("%s %s: %s", origin, fault, statement)
		}
	}
	if checked < 25 {
		t.Errorf("only %d statements on growing tables were found", checked)
	}
}

var (
	body    = regexp.MustCompile(`(?s)\$\$(.*?)\$\$`)
	comment = regexp.MustCompile(`--[^\n]*`)
	keyword = regexp.MustCompile(`\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|FROM)\b`)
)

// allStatements returns the SQL statements in the functions of migrations and in the
// string literals of the packages that use growing tables, by file and position.
func allStatements(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(origin, text string) {
		if start := keyword.FindStringIndex(text); start != nil {
			all[origin] = strings.Join(strings.Fields(text[start[0]:]), " ")
		}
	}
	for _, file := range glob(t, "migrations/*.sql") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, function := range body.FindAllStringSubmatch(comment.ReplaceAllString(string(text), ""), -1) {
			for j, statement := range strings.Split(function[1], ";") {
				add(file+" "+strconv.Itoa(i)+"."+strconv.Itoa(j), statement)
			}
		}
	}
	for _, file := range slices.Concat(glob(t, "internal/orgs/*.go"), glob(t, "internal/events/*.go"), glob(t, "internal/webhooks/*.go"), glob(t, "internal/idempotency/*.go"), glob(t, "internal/apikeys/*.go"), glob(t, "internal/accounts/*.go")) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fileSet := token.NewFileSet()
		parsed, err := parser.ParseFile(fileSet, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			sum, isSum := n.(*ast.BinaryExpr)
			literal, isLiteral := n.(*ast.BasicLit)
			switch {
			case isSum && sum.Op == token.ADD:
				add(fileSet.Position(n.Pos()).String(), literals(sum))
				return false
			case isLiteral && literal.Kind == token.STRING:
				add(fileSet.Position(n.Pos()).String(), literals(literal))
			}
			return true
		})
	}
	return all
}

// literals joins the string literals of a concatenation.
func literals(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return literals(e.X) + " " + literals(e.Y)
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err == nil {
			return text
		}
	}
	return ""
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

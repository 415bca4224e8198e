// Package migrations embeds the schema of orgd as goose SQL files, so the server contains
// the schema that it was built for.
//
// In every table that grows, account_id is the first column of the primary key, so the
// tables can later be distributed by account. accounts and api_keys are small, and are
// read before the account of a request is known. In a distributed database they would be
// replicated.
package migrations

import (
	"embed"
	"strconv"
	"strings"
)

// FS has the SQL files in its root. Each name starts with the version of the migration:
// 00001_accounts.sql.
//
//go:embed *.sql
var FS embed.FS

// Latest returns the version of the newest migration, which is the schema version of
// this release.
func Latest() int64 {
	entries, err := FS.ReadDir(".")
	if err != nil {
		panic(err) // the embedded root always exists
	}
	version, _, _ := strings.Cut(entries[len(entries)-1].Name(), "_")
	latest, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		panic(err) // goose would reject the file name too
	}
	return latest
}

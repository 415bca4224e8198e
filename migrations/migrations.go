// Package migrations holds the schema of orgd as goose SQL files, embedded so
// that the server carries the schema it was built for.
//
// Every table that grows has account_id first in its primary key, so that the
// tables can be distributed by account without a rewrite. accounts and api_keys
// are small and looked up without an account; they would be reference tables.
package migrations

import (
	"embed"
	"strconv"
	"strings"
)

// FS holds the SQL files, named NNNNN_what.sql, at its root.
//
//go:embed *.sql
var FS embed.FS

// Latest returns the version of the newest file, that of the schema which this
// release runs on.
func Latest() int64 {
	entries, err := FS.ReadDir(".")
	if err != nil {
		panic(err) // the embedded root is always there
	}
	version, _, _ := strings.Cut(entries[len(entries)-1].Name(), "_")
	latest, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		panic(err) // a file name that goose would refuse too
	}
	return latest
}

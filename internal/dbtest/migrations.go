package dbtest

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"orgd/migrations"
)

// MigrationsWith returns the migrations and an additional one, as in a later release.
func MigrationsWith(t testing.TB, name, sql string) fs.FS {
	t.Helper()
	all := fstest.MapFS{name: {Data: []byte(sql)}}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: text}
	}
	return all
}

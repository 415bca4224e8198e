package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// findHome finds the version table in all schemas of the database, because search_path
// may resolve to no schema, to a new schema with the name of the user, or to tables of
// another program. A version table is ours if it has goose's columns.
//
// The first three columns of the result are quoted names of schemas: those in search_path
// with our table, those in search_path with another program's table, and those outside
// search_path with our table. The others are the current schema, and whether the role may
// use public.
const findHome = `
SELECT
  coalesce(array_to_string(array_agg(quote_ident(name) ORDER BY place) FILTER (WHERE ours AND place IS NOT NULL), E'\n'), ''),
  coalesce(array_to_string(array_agg(quote_ident(name) ORDER BY place) FILTER (WHERE NOT ours AND place IS NOT NULL), E'\n'), ''),
  coalesce(array_to_string(array_agg(quote_ident(name) ORDER BY name) FILTER (WHERE ours AND place IS NULL), E'\n'), ''),
  coalesce(quote_ident(current_schema()), ''),
  coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'USAGE'), false)
FROM (
  SELECT nspname AS name, array_position(current_schemas(false), nspname) AS place, (
    SELECT count(*) = 3 FROM pg_catalog.pg_attribute
    WHERE attrelid = pg_class.oid AND NOT attisdropped
      AND (attname, atttypid::regtype::text) IN (('version_id', 'bigint'), ('is_applied', 'boolean'), ('tstamp', 'timestamp without time zone'))
  ) AS ours
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relname = '` + versionTable + `' AND relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname NOT LIKE 'pg\_%'
) AS found;`

// home is the result of findHome: the schemas that have version tables.
type home struct {
	ours, foreign []string // in search_path, in its order; foreign: of other programs
	elsewhere     []string // ours, outside search_path
	current       string   // the first schema of search_path that the role may use, or ""
	usesPublic    bool     // the role may use public
}

// readHome reads the result of findHome.
func readHome(result *pgconn.Result) home {
	row := result.Rows[0]
	list := func(column int) []string {
		return slices.DeleteFunc(strings.Split(string(row[column]), "\n"), func(name string) bool { return name == "" })
	}
	return home{ours: list(0), foreign: list(1), elsewhere: list(2), current: string(row[3]), usesPublic: string(row[4]) == "t"}
}

// schema returns the schema of orgd's tables. Before the first migration this is the
// current schema, or public if there is none. It returns ErrMisconfigured if it cannot be
// sure: with the wrong schema, a server would find no tables, and a migration would
// create a second set.
func (h home) schema() (string, error) {
	switch {
	case len(h.ours) > 1:
		return "", fmt.Errorf("%w: more than one schema in search_path has orgd's tables (%s): drop the tables that are not in use, or leave only the right schema in search_path with ALTER ROLE … SET search_path",
			ErrMisconfigured, strings.Join(h.ours, ", "))
	case len(h.ours) == 1:
		return h.ours[0], nil
	case len(h.elsewhere) == 1 && h.elsewhere[0] == "public" && h.usesPublic:
		return "public", nil
	case len(h.elsewhere) > 1:
		return "", fmt.Errorf("%w: search_path resolves to %s, but more than one other schema has orgd's tables (%s): add the right one with ALTER ROLE … SET search_path, and grant the role USAGE on it",
			ErrMisconfigured, orNone(h.current), strings.Join(h.elsewhere, ", "))
	case len(h.elsewhere) == 1:
		return "", fmt.Errorf("%w: orgd's tables are in the schema %s, but search_path resolves to %s: add the schema with ALTER ROLE … SET search_path, and grant the role USAGE on it",
			ErrMisconfigured, h.elsewhere[0], orNone(h.current))
	case len(h.foreign) > 0:
		return "", fmt.Errorf("%w: the table %s.%s is not orgd's, because it lacks the columns of a version table: rename it, or give orgd another schema or database",
			ErrMisconfigured, h.foreign[0], versionTable)
	case h.current == "":
		return "public", nil
	}
	return h.current, nil
}

func orNone(schema string) string {
	if schema == "" {
		return "no schema that the role may use"
	}
	return schema
}

// enter puts the schema of orgd's tables first in search_path, whatever the role or the
// database sets. The rest of the path stays, for extensions.
func (h home) enter(ctx context.Context, conn *pgx.Conn) error {
	schema, err := h.schema()
	if err != nil || schema == h.current {
		return err
	}
	_, err = conn.PgConn().ExecParams(ctx, "SELECT set_config('search_path', concat_ws(', ', $1::text, nullif(current_setting('search_path'), '')), false)",
		[][]byte{[]byte(schema)}, nil, nil, nil).Close()
	return err
}

// check replaces enter behind a pooler, where the search_path of the role or the database
// must already select the schema of orgd's tables.
func (h home) check() error {
	schema, err := h.schema()
	if err == nil && len(h.ours) == 0 && len(h.elsewhere) > 0 || err == nil && len(h.foreign) > 0 {
		err = fmt.Errorf("%w: orgd's tables are in the schema %s: behind a pooler, put it first in search_path with ALTER ROLE … SET search_path", ErrMisconfigured, schema)
	}
	return err
}

package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// findHome finds the version table in all schemas of the database, because search_path may
// lead elsewhere: to nothing, to a new schema with the name of the user, or to tables of
// another program. A version table is ours if it has goose's columns.
//
// Columns: quoted names of schemas with our table in the search_path, with another's in it,
// and with ours outside of it; the current schema; whether public may be used.
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

// home is where the database has version tables.
type home struct {
	ours, foreign []string // in the search_path, in its order
	elsewhere     []string // ours outside of it
	current       string   // the first schema of the search_path, or ""
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

// schema returns the schema of orgd's tables. Before the first migration it is the current
// schema, or public if there is none. It returns ErrMisconfigured if a wrong guess could
// hide the tables: the server would find none, and a migration would make a second set.
func (h home) schema() (string, error) {
	switch {
	case len(h.ours) > 1:
		return "", fmt.Errorf("%w: the schemas %s all have orgd's tables, and search_path leads to all of them: drop the tables that are not in use, or leave only the right schema in search_path with ALTER ROLE … SET search_path",
			ErrMisconfigured, strings.Join(h.ours, " and "))
	case len(h.ours) == 1:
		return h.ours[0], nil
	case len(h.elsewhere) == 1 && h.elsewhere[0] == "public" && h.usesPublic:
		return "public", nil
	case len(h.elsewhere) > 0:
		return "", fmt.Errorf("%w: orgd's tables are in the schema %s, but search_path leads to %s: add the schema with ALTER ROLE … SET search_path, and grant the role USAGE on it",
			ErrMisconfigured, strings.Join(h.elsewhere, " and in "), orNone(h.current))
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

// enter makes orgd's tables visible whatever search_path the role or the database sets:
// their schema goes first, and the rest of the path stays for extensions.
func (h home) enter(ctx context.Context, conn *pgx.Conn) error {
	schema, err := h.schema()
	if err != nil || schema == h.current {
		return err
	}
	_, err = conn.PgConn().ExecParams(ctx, "SELECT set_config('search_path', concat_ws(', ', $1::text, nullif(current_setting('search_path'), '')), false)",
		[][]byte{[]byte(schema)}, nil, nil, nil).Close()
	return err
}

// check is enter for a pooler, where the search_path must lead to the tables by itself.
func (h home) check() error {
	schema, err := h.schema()
	if err == nil && len(h.ours) == 0 && len(h.elsewhere) > 0 || err == nil && len(h.foreign) > 0 {
		err = fmt.Errorf("%w: orgd's tables are in the schema %s: behind a pooler, put it first in search_path with ALTER ROLE … SET search_path", ErrMisconfigured, schema)
	}
	return err
}

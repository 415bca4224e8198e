package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// capture returns the operation's statement for pgbench. It retries, because the server's
// own work, such as delivering webhooks, may have replaced the statement on its connection.
func (b *bench) capture(ctx context.Context, conn *pgx.Conn, o operation, id string) (sql string, err error) {
	for range 3 {
		if sql, err = b.captureOnce(ctx, conn, o, id); err == nil {
			break
		}
	}
	return sql, err
}

// captureOnce sends one request of the operation to orgd and returns the statement of the
// operation that PostgreSQL received last, so pgbench runs exactly what orgd sends.
func (b *bench) captureOnce(ctx context.Context, conn *pgx.Conn, o operation, id string) (string, error) {
	path, body := o.sample(id)
	status, answer, err := b.client.do(ctx, o.method, "http://"+b.orgd.addr+path, body)
	if err != nil {
		return "", err
	}
	if status != o.status {
		return "", fmt.Errorf("%s: status %d\n%s", o.name, status, answer)
	}
	var sql string
	var truncated bool
	err = conn.QueryRow(ctx, `
SELECT query, octet_length(query) >= pg_size_bytes(current_setting('track_activity_query_size')) - 1
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'orgd' AND strpos(query, $1) > 0
ORDER BY query_start DESC NULLS LAST
LIMIT 1`, o.calls).Scan(&sql, &truncated)
	if err == nil && truncated {
		err = errors.New("PostgreSQL shows only the beginning of the statement: set its track_activity_query_size to 16kB")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.name, err)
	}
	return o.forPgbench(sql)
}

var parameter = regexp.MustCompile(`\$\d+`)

// forPgbench replaces $1, $2 … with the operation's params.
func (o operation) forPgbench(sql string) (string, error) {
	used := 0
	filled := parameter.ReplaceAllStringFunc(sql, func(name string) string {
		n, err := strconv.Atoi(name[1:])
		used = max(used, n)
		if err != nil || n < 1 || n > len(o.params) {
			return name
		}
		return o.params[n-1]
	})
	if used != len(o.params) {
		return "", fmt.Errorf("%s: the benchmark has %d parameters, but the statement has %d:\n%s", o.name, len(o.params), used, sql)
	}
	return filled, nil
}

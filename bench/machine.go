package main

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// describe prints the machine and the versions that the figures depend on.
func (b *bench) describe(ctx context.Context, databaseURL string) error {
	version, err := postgresVersion(ctx, databaseURL)
	if err != nil {
		return err
	}
	settings := "shared_buffers=512MB and max_wal_size=4GB, otherwise default settings"
	if b.databaseURL != "" {
		settings = "as given by --database-url"
	}
	b.printf("orgd under load, %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	b.printf("  machine     %d cores, %s/%s%s%s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		fromProc(", ", "/proc/cpuinfo", `(?m)^model name\s*: (.*)$`),
		fromProc(", load average at the start ", "/proc/loadavg", `^(\S+)`))
	b.printf("  Go          %s\n", strings.TrimPrefix(runtime.Version(), "go"))
	b.printf("  PostgreSQL  %s, %s\n", version, settings)
	b.printf("  load        wrk on the same machine, 1 thread, %d connections; %d connections to the database\n", connections, poolSize)
	b.printf("  compared    %d pairs of runs of %d s, A B A B …\n", b.pairs, b.seconds)
	return nil
}

func postgresVersion(ctx context.Context, databaseURL string) (version string, err error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	return version, err
}

// fromProc returns the first group of the pattern in a file of /proc, after the text
// before, or "" if nothing matches.
func fromProc(before, file, pattern string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		return ""
	}
	return before + string(match[1])
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"

	"orgd/internal/child"
)

// pgbench runs a script and returns the transactions per second.
func (b *bench) pgbench(ctx context.Context, script string, seconds int) (perSecond float64, err error) {
	database, err := url.Parse(b.tenant.databaseURL)
	if err != nil {
		return 0, errors.New("the database's URL cannot be parsed") // the error itself would contain the password
	}
	password, _ := database.User.Password()
	database.User = url.User(database.User.Username()) // arguments are visible to other users
	args := []string{
		"--no-vacuum", "--protocol", "prepared", "--client", strconv.Itoa(connections), "--jobs", "1",
		"--time", strconv.Itoa(seconds), "--file", script,
	}
	for name, value := range b.constants() {
		args = append(args, "--define", name+"="+value)
	}
	cmd := child.Command(ctx, b.programs.pgbench, append(args, database.String())...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGOPTIONS=-c jit=off") // as orgd sets it
	printed, err := child.Output(cmd)
	if err != nil {
		return 0, err
	}
	if perSecond, err = parsePgbench(printed); err != nil {
		return 0, fmt.Errorf("pgbench %s: %w\n%s", script, err, printed)
	}
	return perSecond, nil
}

var (
	pgbenchRate   = regexp.MustCompile(`(?m)^tps = ([\d.]+)`)
	pgbenchFailed = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
)

// parsePgbench parses the output of pgbench. Before version 15, pgbench did not count
// failed transactions: it ended on an error.
func parsePgbench(printed string) (perSecond float64, err error) {
	if failed := pgbenchFailed.FindStringSubmatch(printed); failed != nil && failed[1] != "0" {
		return 0, errors.New("some transactions failed")
	}
	match := pgbenchRate.FindStringSubmatch(printed)
	if match == nil {
		return 0, fmt.Errorf("no match for %v in its output", pgbenchRate)
	}
	return strconv.ParseFloat(match[1], 64)
}

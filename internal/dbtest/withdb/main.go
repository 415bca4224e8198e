// Withdb runs a command with a PostgreSQL server for its tests. It finds or starts a
// server as package dbtest does, prints which server it uses, and sets TEST_DATABASE_URL,
// so that the test binaries of all packages share the server.
//
//	withdb go test ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"orgd/internal/dbtest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withdb COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1], os.Args[2:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(1, exit.ExitCode()))
	case err != nil:
		fmt.Fprintln(os.Stderr, "withdb:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string) (err error) {
	source, err := dbtest.FindSource(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Stop()) }()
	fmt.Fprintln(os.Stderr, "withdb: using PostgreSQL from", source.Description)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), dbtest.URLVariable+"="+source.URL)
	return cmd.Run()
}

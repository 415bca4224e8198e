package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// commandLine lists all commands. The fields of a command are its flags. A field with an
// env tag can also be set by the environment variable of that name.
type commandLine struct {
	Serve       serveCommand       `cmd:"" help:"Serve the API."`
	Dev         devCommand         `cmd:"" help:"Serve the API with a private database and sample data. Needs no configuration."`
	Migrate     migrateCommand     `cmd:"" help:"Migrate the database schema, or show its state."`
	Accounts    accountsCommand    `cmd:"" help:"Manage accounts."`
	Keys        keysCommand        `cmd:"" help:"Manage API keys."`
	Events      eventsCommand      `cmd:"" help:"Export the events of an account."`
	Import      importCommand      `cmd:"" help:"Import organizations with their members from an NDJSON file."`
	Export      exportCommand      `cmd:"" help:"Export the organizations of an account with their members, as NDJSON."`
	Seed        seedCommand        `cmd:"" help:"Fill an account with sample organizations."`
	Healthcheck healthcheckCommand `cmd:"" help:"Check that the server on this machine is ready, for container health checks."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

const (
	exitFailed = 1
	exitUsage  = 2
)

// execute runs the command in args and returns the exit code. A command fails if its
// output cannot be written.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	std := streams{out: &output{to: stdout}, err: stderr}
	err := runCommand(ctx, args, std)
	if err == nil && std.out.err != nil {
		err = fmt.Errorf("the output cannot be written: %w", std.out.err)
	}
	if usage, wrong := errors.AsType[usageError](err); wrong {
		fmt.Fprintln(std.err, "server:", usage.error)
		return exitUsage
	}
	if err != nil && ctx.Err() != nil {
		// The command failed because it was told to stop.
		err = errors.New("stopped")
	}
	if err != nil {
		fmt.Fprintln(std.err, "server:", err)
		return exitFailed
	}
	return 0
}

// usageError is an error in the command line or in an environment variable.
type usageError struct{ error }

func runCommand(ctx context.Context, args []string, std streams) error {
	var cli commandLine
	helped := false
	parser := kong.Must(&cli,
		kong.Name("server"),
		kong.Description("orgd, the organizations service. Most flags can also be set by environment variables."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	unknown := unknownVariables(variables(parser.Model.Node), os.Environ())
	command, err := parser.Parse(args)
	if helped || std.out.err != nil {
		return nil
	}
	if err != nil || !slices.Contains(reportVariables, command.Command()) {
		for _, v := range unknown {
			fmt.Fprintln(std.err, "server: warning:", v)
		}
	}
	if err != nil {
		return usageError{err}
	}
	return command.Run(unknown)
}

// reportVariables are the commands that handle unknown environment variables themselves:
// serve logs them, and healthcheck, which runs every few seconds, ignores them.
var reportVariables = []string{"serve", "healthcheck"}

// Server is orgd: it serves the API and has the commands that operators and
// developers need.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx := catchSignals(context.Background())
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// catchSignals returns a context that is done when the process is told to stop, by
// SIGINT, SIGTERM or SIGHUP. A second SIGINT or SIGTERM then ends it at once.
func catchSignals(parent context.Context) context.Context {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// A Go program dies of SIGPIPE when the reader of its standard output or standard
	// error exits, even if the parent ignores SIGPIPE. If the program catches it, only
	// that write fails.
	outlived := []os.Signal{syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		stops = append(stops, syscall.SIGHUP)
		// A closing terminal sends SIGHUP more than once. The second must not cut the
		// drain short.
		outlived = append(outlived, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), outlived...)
	ctx, stop := signal.NotifyContext(parent, stops...)
	context.AfterFunc(ctx, stop)
	return ctx
}

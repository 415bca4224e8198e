// Server is orgd: it serves the API, and holds the commands that an operator or
// a developer needs beside it.
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
	// Go dies of SIGPIPE when a reader of standard output or standard error has gone,
	// even if the parent ignores SIGPIPE. Caught, it is an error of that one write.
	outlived := []os.Signal{syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		stops = append(stops, syscall.SIGHUP)
		// A terminal that closes sends it more than once: the second must not cut the
		// drain short.
		outlived = append(outlived, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), outlived...)
	ctx, stop := signal.NotifyContext(parent, stops...)
	context.AfterFunc(ctx, stop)
	return ctx
}

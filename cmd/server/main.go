// Server is the orgd program. It serves the API and has the commands that operators and
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

// catchSignals returns a context that is done when the process is told to stop by SIGINT,
// SIGTERM or SIGHUP. After that, a second SIGINT or SIGTERM ends the process immediately.
func catchSignals(parent context.Context) context.Context {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// By default, SIGPIPE kills a Go program that writes to standard output or standard
	// error after the reader has exited, even if the parent process ignores SIGPIPE. If the
	// program catches the signal, only the write fails.
	outlived := []os.Signal{syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
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

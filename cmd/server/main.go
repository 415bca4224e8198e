// Server is orgd: it serves the API, and holds the commands that an operator or
// a developer needs beside it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; the second must not have to wait
	// for it.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr}))
}

// streams are where a command writes: what it was asked for, and what it has to
// say beside.
type streams struct{ out, err io.Writer }

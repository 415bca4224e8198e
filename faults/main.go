// Faults injects faults into orgd and its dependencies under load, and checks that no
// acknowledged change is lost and that service resumes by itself. For each fault it
// starts replicas of the built server and a real PostgreSQL on loopback, and removes them
// afterwards. docs/reliability.md has the results.
//
//	faults [--runs N] [--report FILE] [FAULT…]   run the named faults, or all
//	faults --list                                list the faults
//	faults load --url URL --key-file FILE        send only the load, until SIGINT; exit code 1 if any call failed
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

type options struct {
	runs     int
	parallel int
	server   string
	report   string
	list     bool
	names    []string
}

func main() {
	work, err := readArguments(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second signal ends the program immediately.
	context.AfterFunc(ctx, stop)
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// readArguments parses the arguments and returns the function to run.
func readArguments(args []string) (work func(context.Context) error, err error) {
	if len(args) > 0 && args[0] == "load" {
		o, err := readLoadOptions(args[1:])
		return func(ctx context.Context) error { return runLoad(ctx, o) }, err
	}
	o, err := readOptions()
	return func(ctx context.Context) error { return runAll(ctx, o) }, err
}

func readOptions() (options, error) {
	var o options
	flag.IntVar(&o.runs, "runs", 1, "runs of each fault")
	flag.IntVar(&o.parallel, "parallel", min(4, runtime.NumCPU()), "faults to run at the same time; most of their time is spent waiting")
	flag.StringVar(&o.server, "server", "", "server `program`; if empty, it is built")
	flag.StringVar(&o.report, "report", "", "`file` in which to replace the table of results")
	flag.BoolVar(&o.list, "list", false, "list the faults")
	flag.Parse()
	o.names = flag.Args()
	if min(o.runs, o.parallel) < 1 {
		return o, fmt.Errorf("--runs and --parallel must be 1 or more")
	}
	return o, nil
}

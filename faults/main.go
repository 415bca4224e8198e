// Faults breaks what orgd depends on, and the server itself, under load, and checks
// that nothing acknowledged is lost and that service resumes by itself. It starts
// replicas of the built server and a real PostgreSQL for each fault, on loopback, and
// removes them again. docs/reliability.md has what was measured.
//
//	faults [--runs N] [--report FILE] [FAULT…]   every fault, or those that are named
//	faults --list                                what there is
//	faults load --url URL --key-file FILE        the load alone, until SIGINT: any failure is exit code 1
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
	// The second signal must not have to wait for the first.
	context.AfterFunc(ctx, stop)
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// readArguments returns what there is to do.
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
	flag.IntVar(&o.parallel, "parallel", 4, "faults at once; most of them wait most of the time")
	flag.StringVar(&o.server, "server", "", "built `program` of the server; without it, it is built")
	flag.StringVar(&o.report, "report", "", "`file` whose table of figures is written anew")
	flag.BoolVar(&o.list, "list", false, "list the faults")
	flag.Parse()
	o.names = flag.Args()
	if min(o.runs, o.parallel) < 1 {
		return o, fmt.Errorf("--runs and --parallel take 1 or more")
	}
	return o, nil
}

// Bench measures orgd under load, next to a bare handler on the same database, and
// prints a report. docs/performance.md has the targets. It needs wrk and the programs of
// PostgreSQL. It starts everything else on loopback, and cleans up afterwards.
//
// It does not judge the figures: it fails only if it cannot measure.
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
	databaseURL string
	orgs        int
	pairs       int
	seconds     int
	requests    int
	starts      int
	profile     string
	shares      bool
	orders      bool
	members     int
	server      string
}

func main() {
	o, err := readOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	// A second signal ends the program immediately.
	context.AfterFunc(ctx, stop)
	// With this, a write fails if the reader of the output has exited (| head). Otherwise
	// SIGPIPE would end the program before it cleans up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	err = run(ctx, o)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "bench: stopped:", context.Cause(ctx))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func readOptions() (options, error) {
	var o options
	flag.StringVar(&o.databaseURL, "database-url", "", "`URL` of the PostgreSQL to use instead of a private one; its user must be allowed to create databases, and the data of the benchmark stays there")
	flag.IntVar(&o.orgs, "orgs", 1_000_000, "organizations to seed")
	flag.IntVar(&o.pairs, "pairs", 5, "runs of each side of a comparison")
	flag.IntVar(&o.seconds, "seconds", 5, "length of a run in seconds")
	flag.IntVar(&o.requests, "requests", 200, "requests for each name and for each combination of filters")
	flag.IntVar(&o.starts, "starts", 20, "starts of the server to measure")
	flag.StringVar(&o.profile, "profile", "", "`directory` for CPU profiles of orgd; they come from an extra run of each operation")
	flag.BoolVar(&o.shares, "shares", false, "measure only the service that other accounts get next to a greedy one")
	flag.BoolVar(&o.orders, "orders", false, "measure only the orders, ranges and totals of the list")
	flag.IntVar(&o.members, "members", 8, "maximum number of members of an organization")
	flag.StringVar(&o.server, "server", "", "server `program` of another release to measure instead of this one; needs --shares")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	if o.server != "" && !o.shares {
		return o, fmt.Errorf("--server works only with --shares")
	}
	if o.orders && o.shares {
		return o, fmt.Errorf("give --orders or --shares, not both")
	}
	if o.orgs < 2*pageSize {
		return o, fmt.Errorf("--orgs is %d; it must be %d or more", o.orgs, 2*pageSize)
	}
	if min(o.pairs, o.seconds, o.requests, o.starts, o.members) < 1 {
		return o, fmt.Errorf("--pairs, --seconds, --requests, --starts and --members must be 1 or more")
	}
	return o, nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// loadOptions are the options of `faults load`.
type loadOptions struct {
	url, keyFile string
	pace
}

func readLoadOptions(args []string) (o loadOptions, err error) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.url, "url", "", "`URL` of the API, without a trailing slash")
	flags.StringVar(&o.keyFile, "key-file", "", "`file` that holds the API key")
	flags.IntVar(&o.workers, "workers", 8, "number of clients, each with one call in flight")
	flags.DurationVar(&o.every, "every", 20*time.Millisecond, "pause of a client between two calls")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q: load takes only flags", flags.Arg(0))
	case o.url == "" || o.keyFile == "" || o.workers < 1:
		return o, errors.New("load needs --url, --key-file, and --workers of 1 or more")
	}
	return o, nil
}

// runLoad sends calls until ctx is done, and prints a summary. It returns an error if any
// call failed.
func runLoad(ctx context.Context, o loadOptions) error {
	key, err := os.ReadFile(o.keyFile)
	if err != nil {
		return err
	}
	l := newLoad(fmt.Sprint("load-", os.Getpid()), o.pace, []string{o.url}, strings.TrimSpace(string(key)))
	l.start(context.WithoutCancel(ctx))
	<-ctx.Done()
	l.stop(stopLimit)
	every := l.ledger.attempts(func(*call, attempt) bool { return true })
	bad := l.ledger.attempts(func(_ *call, a attempt) bool { return !a.succeeded() || a.flaw != "" })
	fmt.Printf("%d calls of %d clients, %d failed; p50 %v, p99 %v, max %v\n", len(every), o.workers, len(bad),
		percentile(every, 0.5).Round(time.Millisecond), percentile(every, 0.99).Round(time.Millisecond), percentile(every, 1).Round(time.Millisecond))
	const shown = 10
	for _, a := range bad[:min(len(bad), shown)] {
		fmt.Println(a, a.flaw)
	}
	switch {
	case len(bad) > 0:
		return fmt.Errorf("%d of %d calls failed", len(bad), len(every))
	case len(every) == 0:
		return errors.New("no call was made")
	}
	return nil
}

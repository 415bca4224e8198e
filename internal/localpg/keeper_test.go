package localpg_test

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"orgd/internal/localpg"
)

func TestKeeperStartsAKilledServerAgain(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	k, err := localpg.StartKept(t.Context(), localpg.CheapOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	url := k.URL("postgres")
	exec1(t, url, "CREATE TABLE kept AS SELECT 'a word' AS word")
	ctx, cancel := context.WithCancel(t.Context())
	events, ended := make(chan string, 8), make(chan error, 1)
	go func() { ended <- k.Run(ctx, func(event string) { events <- event }) }()

	for range 2 {
		signal(t, postmaster(t, dir), syscall.SIGKILL)
		if event := <-events; !strings.Contains(event, "signal: killed") {
			t.Errorf("reported: %s", event)
		}
		if event := <-events; event != "it is back" {
			t.Errorf("reported: %s", event)
		}
		if got := query1(t, url, "SELECT word FROM kept"); got != "a word" {
			t.Errorf("found %q", got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := k.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestKeeperEndsWithItsContext(t *testing.T) {
	t.Parallel()
	k, err := localpg.StartKept(t.Context(), localpg.CheapOptions(serverDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx, func(event string) { t.Errorf("reported: %s", event) }); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := k.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// profileContest loads orgd once more and saves a CPU profile. The measured runs are not
// profiled.
func (b *bench) profileContest(ctx context.Context, c contest) error {
	if b.profile == "" {
		return nil
	}
	progress("%s: profile", c.name)
	const margin = 1 // the load starts before the profile and ends after it
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := b.loadOperation(ctx, c, b.seconds+2*margin)
		return err
	})
	g.Go(func() error { return b.saveProfile(ctx, filepath.Join(b.profile, c.name+".pprof")) })
	return g.Wait()
}

func (b *bench) saveProfile(ctx context.Context, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.orgd.adminAddr, b.seconds)
	profile, _, err := b.client.get(ctx, url)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	b.printf("  %-10s  %s\n", "profile", file)
	return os.WriteFile(file, profile, 0o644)
}

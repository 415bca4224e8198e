package main

import (
	"context"
	"encoding/json"
)

// names are parts of names to search for, and how common they are among a million sample
// names.
var names = []struct{ text, what string }{
	{"group", "1 in 65"},
	{"reykja", "1 in 1,000"},
	{"opticore studios", "hardly any"},
	{"zzyzx", "in none"},
	{"zx", "two letters, in none"},
	{"co", "two letters, 1 in 6"}, // may use a bad plan that the previous search cached
}

// measureNames sends one search after another, because it measures the time of a search
// and not the throughput.
func (b *bench) measureNames(ctx context.Context) error {
	progress("first pages by name")
	b.printf("\norgd, first page by name, limit=100, %d requests one after the other\n", b.requests)
	for _, name := range names {
		url := listURL(b.orgd, pageSize, "", name.text)
		found, took, err := b.repeat(ctx, url)
		if err != nil {
			return err
		}
		b.printf("  %-16s  %-20s  %3d found  p50 %8.2f ms  p99 %8.2f ms\n", name.text, name.what, found,
			quantile(took, .5), quantile(took, .99))
	}
	return nil
}

// repeat requests one page repeatedly. It returns the number of organizations on it and
// the times in milliseconds.
func (b *bench) repeat(ctx context.Context, url string) (found int, took []float64, err error) {
	var p page
	for range b.requests {
		body, t, err := b.client.get(ctx, url)
		if err != nil {
			return 0, nil, err
		}
		if err := json.Unmarshal(body, &p); err != nil {
			return 0, nil, err
		}
		took = append(took, milliseconds(t))
	}
	return len(p.Organizations), took, nil
}

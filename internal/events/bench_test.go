package events_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"orgd/internal/events"
)

var feedSize = flag.Int("feed", 300_000, "number of `events` in the feed of BenchmarkPage")

// BenchmarkPage reads a page of 100 events at a random place in a feed.
func BenchmarkPage(b *testing.B) {
	f := setup(b)
	all := *feedSize
	f.fill(b, f.account, all)
	f.Vacuum(b, "ANALYZE events")
	places := make([]events.Place, 1000)
	for i := range places {
		position := 1 + rand.Int64N(int64(all)-100)
		place, _, err := f.repository.PlaceAt(b.Context(), f.account, &position)
		if err != nil {
			b.Fatal(err)
		}
		places[i] = place
	}
	for b.Loop() {
		if page := f.read(b, events.Params{Limit: 100, After: &places[rand.N(len(places))]}); len(page.Events) != 100 {
			b.Fatalf("%d events", len(page.Events))
		}
	}
}

// BenchmarkNumber numbers 1,000 events, as many as one statement numbers.
func BenchmarkNumber(b *testing.B) {
	f := setup(b)
	for b.Loop() {
		b.StopTimer()
		f.write(b, 1, "org.created", 1000)
		b.StartTimer()
		if _, err := f.repository.NumberAll(b.Context(), f.account); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEndDuringSnapshot reads at the end of the feed, while a transaction keeps a
// snapshot from before the events were numbered.
func BenchmarkEndDuringSnapshot(b *testing.B) {
	for _, numbered := range []int{0, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(numbered), func(b *testing.B) {
			f := setup(b)
			f.begin(b, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM events")
			f.write(b, 1, "org.created", numbered)
			page := f.read(b, events.Params{Limit: 1, Cursor: events.Now})
			for b.Loop() {
				if page := f.read(b, events.Params{Limit: 100, Cursor: page.Cursor}); len(page.Events) > 0 {
					b.Fatalf("%d events", len(page.Events))
				}
			}
		})
	}
}

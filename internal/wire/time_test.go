package wire_test

import (
	"testing"
	"time"

	"orgd/internal/wire"
)

func TestAppendTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	for want, in := range map[string]time.Time{
		"2026-01-02T03:04:05Z":        time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"2026-01-02T03:04:05.100000Z": time.Date(2026, 1, 2, 3, 4, 5, 100_000_000, time.UTC),
		"2026-01-02T03:04:05.000001Z": time.Date(2026, 1, 2, 4, 4, 5, 1_000, zone),
		"0001-01-01T00:00:00Z":        {},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := string(wire.AppendTime(nil, in)); got != want {
				t.Errorf("AppendTime(%v) = %s, want %s", in, got, want)
			}
		})
	}
}

package orgs

import (
	"strings"
	"testing"
)

// Reading one organization must not allocate as much memory as reading a page.
func TestArenaGrowsWithItsTexts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ texts, size, mostPieces, mostMemory int }{
		"one organization": {2, 80, 1, 1 << 10},
		"a large text":     {1, 200_000, 1, 210_000},
		"a page":           {200, 160, 10, 80_000},
		"a large page":     {5000, 160, 40, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a arena
			pieces, memory := 0, 0
			for range c.texts {
				before := a.Cap()
				text := strings.Repeat("x", c.size)
				if kept := a.keep([]byte(text)); kept != text {
					t.Fatalf("kept %q", kept)
				}
				if a.Len() == c.size { // a new allocation
					pieces, memory = pieces+1, memory+a.Cap()
				} else if a.Cap() != before {
					t.Fatal("the texts were copied")
				}
			}
			if pieces > c.mostPieces || memory > c.mostMemory {
				t.Errorf("%d allocations of %d bytes in all, want at most %d of %d", pieces, memory, c.mostPieces, c.mostMemory)
			}
		})
	}
}

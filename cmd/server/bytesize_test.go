package main

import (
	"strconv"
	"testing"
)

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "512B": 512, "1KiB": 1 << 10, "1536KiB": 1536 << 10, "32MiB": 32 << 20, "2GiB": 2 << 30, "2147483648": 1 << 31, "4294967296": 4 << 30, "8589934591GiB": 8589934591 << 30,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var got byteSize
			if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
				t.Errorf("%s is read as %d: %v", text, got, err)
			}
			var again byteSize
			if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
				t.Errorf("%s is written as %s: %v", text, got, err)
			}
		})
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "32 MiB", "32MB", "32mib", "8589934592GiB", "9223372036854775808"} {
		t.Run(strconv.Quote(text), func(t *testing.T) {
			t.Parallel()
			var got byteSize
			if err := got.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%q is read as %d", text, got)
			}
		})
	}
}

func TestMinimumMemoryBudget(t *testing.T) {
	t.Parallel()
	for size, wantOK := range map[byteSize]bool{0: true, 1: false, minMemoryBudget - 1: false, minMemoryBudget: true} {
		t.Run(size.String(), func(t *testing.T) {
			t.Parallel()
			if err := (limitFlags{MemoryBudget: size}).Validate(); (err == nil) != wantOK {
				t.Errorf("%s: %v", size, err)
			}
		})
	}
}

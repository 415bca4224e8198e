package main

import (
	"strconv"
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0d": 0, "0s": 0, "1d": day, "400d": 400 * day, "70000d": 70000 * day, "106751d": 106751 * day, "36h": 36 * time.Hour, "48h": 2 * day, "1h30m": 90 * time.Minute,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var got, again age
			if err := got.UnmarshalText([]byte(text)); err != nil || got != age(want) {
				t.Errorf("%s is read as %s: %v", text, got, err)
			}
			if err := again.UnmarshalText([]byte(got.String())); err != nil || again != age(want) {
				t.Errorf("%s is written as %s: %v", text, got, err)
			}
		})
	}
	for _, text := range []string{"", "d", "400", "-1d", "1.5d", "1d12h", "1 d", "400D", "106752d", "18446744073709551616d", "2562048h", "1w"} {
		t.Run(strconv.Quote(text), func(t *testing.T) {
			t.Parallel()
			var got age
			if err := got.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%q is read as %s", text, got)
			}
		})
	}
}

func TestMinimumOfEventsKeep(t *testing.T) {
	t.Parallel()
	for keep, wantOK := range map[time.Duration]bool{0: true, time.Hour: false, day - 1: false, day: true, -day: false} {
		t.Run(keep.String(), func(t *testing.T) {
			t.Parallel()
			if err := validKeep(age(keep)); (err == nil) != wantOK {
				t.Errorf("%s: %v", keep, err)
			}
		})
	}
}

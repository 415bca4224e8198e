package http

import (
	"net/http"
	"testing"
)

func TestTraceIDOf(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, want := range map[string]string{
		"00-" + id + "-00f067aa0ba902b7-01":                       id,
		"00-" + id + "-00f067aa0ba902b7-00":                       id,
		"01-" + id + "-00f067aa0ba902b7-01":                       "",
		"00-" + id + "-0000000000000000-01":                       "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": "",
		"00-" + id + "-00f067aa0ba902b7-1":                        "",
		"00-" + id + "-00f067aa0ba902b7-0g":                       "",
		"00-" + id + "-00f067aa0ba902b7-0A":                       "",
		"00-" + id + "00f067aa0ba902b7--01":                       "",
		"00-" + id + "-00f067aa0ba902b7-01-":                      "",
		id:                                                        "",
		"":                                                        "",
	} {
		if got := traceIDOf(http.Header{"Traceparent": {header}}); got != want {
			t.Errorf("the trace id of %q is %q, want %q", header, got, want)
		}
	}
	if got := traceIDOf(http.Header{}); got != "" {
		t.Errorf("without the header, the trace id is %q", got)
	}
}

// Either all requests of a trace are logged or none. The share of traces that are not
// logged is the configured one.
func TestIsUnlogged(t *testing.T) {
	t.Parallel()
	const low, high = "4bf92f3577b34da6a300000000000001", "4bf92f3577b34da6a3ffffffffffffff"
	for _, c := range []struct {
		share   float64
		traceID string
		want    bool
	}{
		{0, "", false},
		{0, low, false},
		{1, "", true},
		{1, low, true},
		{1, high, true},
		{0.5, low, true},
		{0.5, high, false},
		{0.5, "4bf92f3577b34da6a307ffffffffffff", true},
		{0.5, "4bf92f3577b34da6a308000000000000", false},
	} {
		if got := isUnlogged(c.share, c.traceID); got != c.want {
			t.Errorf("share %v, trace %q: %v, want %v", c.share, c.traceID, got, c.want)
		}
	}
}

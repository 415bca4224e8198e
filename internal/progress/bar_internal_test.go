package progress

import (
	"bytes"
	"testing"
)

func TestBar(t *testing.T) {
	t.Parallel()
	const want = "[##########                              ]  26%, 6 of 23 MB"
	if got := New(nil, 23, "MB").line(6); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNoBarInAFile(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	bar := New(&out, 23, "MB")
	bar.Set(6)
	bar.Done()
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}

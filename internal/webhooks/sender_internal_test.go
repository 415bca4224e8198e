package webhooks

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// A response that arrives after the limit does not count. The receiver may have seen that
// the connection is being closed, and dropped the event.
func TestResponseAfterTheLimit(t *testing.T) {
	t.Parallel()
	s := NewSender(SenderConfig{})
	s.roundTrip = func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}
	got, err := s.send(context.Background(), time.Millisecond, request{url: "https://example.com", id: "1"})
	if want := (response{failure: FailedTimeout}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// At most 64 KiB of a response's body are read.
func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	s := NewSender(SenderConfig{})
	body := &endless{}
	s.roundTrip = func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
	}
	got, err := s.send(context.Background(), time.Minute, request{url: "https://example.com", id: "1"})
	if got.status != http.StatusOK || got.failure != "" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if body.read != 64<<10 {
		t.Errorf("%d bytes were read", body.read)
	}
}

// endless counts the bytes that are read. It ends after 8 MiB, so that a test of an
// unbounded read fails.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= 8<<20 {
		return 0, io.EOF
	}
	e.read += len(p)
	return len(p), nil
}

package webhooks

import (
	"context"
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

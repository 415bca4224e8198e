package webhooks_test

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkDelivery delivers to a receiver that answers after 5 ms. Events are sent one
// after the other, so 200 events per second is the limit.
func BenchmarkDelivery(b *testing.B) {
	for name, delay := range map[string]time.Duration{"at once": 0, "after 5 ms": 5 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			s := setup(b)
			v := receive(b, func(_ int, w http.ResponseWriter, _ *http.Request) {
				wait(delay)
				w.WriteHeader(http.StatusNoContent)
			})
			s.hook(b, v.URL)
			cfg := quick()
			cfg.Save, cfg.Linger = 0, 0
			s.writeQuietly(b, "org.created", b.N)
			b.ResetTimer()
			stop := s.work(b, cfg)
			await(b, "all events arrive", func() bool { return v.count() == b.N+1 })
			b.StopTimer()
			stop()
		})
	}
}

// wait waits precisely, unlike time.Sleep.
func wait(delay time.Duration) {
	for end := time.Now().Add(delay); time.Now().Before(end); {
		if left := time.Until(end); left > time.Millisecond {
			time.Sleep(left - time.Millisecond)
		}
	}
}

package webhooks_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkDelivery delivers to a receiver that answers at once, or after about 5 ms.
// Events are sent one after the other, so the receiver limits the rate: overhead-µs/op is
// what orgd and the network add to the time of the receiver's handler.
func BenchmarkDelivery(b *testing.B) {
	for name, delay := range map[string]time.Duration{"at once": 0, "after 5 ms": 5 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			s := setup(b)
			var handling atomic.Int64
			v := receive(b, func(_ int, w http.ResponseWriter, _ *http.Request) {
				begun := time.Now()
				time.Sleep(delay) // stands for the receiver's work
				w.WriteHeader(http.StatusNoContent)
				handling.Add(int64(time.Since(begun)))
			})
			s.hook(b, v.URL)
			cfg := quick()
			cfg.Save, cfg.Linger = 0, 0 // the defaults
			s.writeQuietly(b, "org.created", b.N)
			b.ResetTimer()
			stop := s.work(b, cfg)
			await(b, "all events arrive", func() bool { return v.count() == b.N+1 })
			b.StopTimer()
			stop()
			overhead := b.Elapsed() - time.Duration(handling.Load())
			b.ReportMetric(float64(overhead.Microseconds())/float64(b.N), "overhead-µs/op")
		})
	}
}

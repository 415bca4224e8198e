package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Webhooks are the figures about all webhooks. They are the same on every server that
// delivers, except Running.
type Webhooks struct {
	Enabled, Failing, Disabled, GivenUp int
	Behind, FailingBehind               time.Duration
	Running                             int // webhooks to which this server delivers now
}

// attemptResults are the results that ObserveAttempt gets.
var attemptResults = []string{"delivered", "status", "redirect", "gone", "timeout", "address", "name", "tls", "connection", "response"}

func newAttempts() *prometheus.HistogramVec {
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "orgd_webhook_attempt_duration_seconds",
		Help:    "Duration of the attempts to deliver an event to a webhook, by result: delivered, or what failed.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
	}, []string{"result"})
	// rate() needs each series to exist from the start.
	for _, result := range attemptResults {
		attempts.WithLabelValues(result)
	}
	return attempts
}

// ObserveAttempt counts an attempt to deliver to a webhook.
func (m *Metrics) ObserveAttempt(result string, took time.Duration) {
	m.attempts.WithLabelValues(result).Observe(took.Seconds())
}

func newMissing() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "orgd_webhooks_missing_deleted_events_total",
		Help: "Webhooks, enabled or not, that had yet to get an event when this server deleted it because of its age.",
	})
}

// CountMissing counts webhooks that miss deleted events.
func (m *Metrics) CountMissing(webhooks int) { m.missing.Add(float64(webhooks)) }

// WatchWebhooks adds the number of webhooks by state, and how old the oldest event is that
// one of them has yet to get.
func (m *Metrics) WatchWebhooks(read func() Webhooks) {
	labeled := func(name, help, label, value string, of func(Webhooks) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: value}},
			func() float64 { return of(read()) }))
	}
	const states = "Webhooks by state: enabled, failing (the last attempt failed), disabled (by a call) or given_up (disabled after failures)."
	for state, of := range map[string]func(Webhooks) float64{
		"enabled":  func(w Webhooks) float64 { return float64(w.Enabled) },
		"failing":  func(w Webhooks) float64 { return float64(w.Failing) },
		"disabled": func(w Webhooks) float64 { return float64(w.Disabled) },
		"given_up": func(w Webhooks) float64 { return float64(w.GivenUp) },
	} {
		labeled("orgd_webhooks", states, "state", state, of)
	}
	const oldest = "Age of the oldest event that a webhook has yet to get, for webhooks whose last attempt was a delivery (enabled) or failed (failing)."
	labeled("orgd_webhook_oldest_event_seconds", oldest, "state", "enabled", func(w Webhooks) float64 { return w.Behind.Seconds() })
	labeled("orgd_webhook_oldest_event_seconds", oldest, "state", "failing", func(w Webhooks) float64 { return w.FailingBehind.Seconds() })
	m.gauge("orgd_webhooks_in_delivery", "Webhooks to which this server delivers at the moment.",
		func() float64 { return float64(read().Running) })
}

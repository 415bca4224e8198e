package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Webhooks holds the counts and delays of all webhooks, which are the same on every server.
type Webhooks struct {
	Enabled, Failing, Disabled, GivenUp int
	Behind, FailingBehind               time.Duration
}

// attemptResults are the values of the result that ObserveAttempt takes.
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

// givenUpReasons are the values of the reason that ObserveGivenUp takes.
var givenUpReasons = []string{"failing", "gone", "events_deleted"}

func newGivenUp() *prometheus.CounterVec {
	givenUp := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orgd_webhooks_given_up_total",
		Help: "Webhooks that this server disabled, by reason: failing, gone (after a 410), or events_deleted (their next events no longer exist).",
	}, []string{"reason"})
	// increase() needs each series to exist from the start.
	for _, reason := range givenUpReasons {
		givenUp.WithLabelValues(reason)
	}
	return givenUp
}

// ObserveGivenUp counts a webhook that this server disabled.
func (m *Metrics) ObserveGivenUp(reason string) { m.givenUp.WithLabelValues(reason).Inc() }

func newMissing() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "orgd_webhooks_missing_deleted_events_total",
		Help: "Webhooks, enabled or not, that had not received an event when this server deleted it because of its age.",
	})
}

// CountMissing counts webhooks that had not received events when they were deleted.
func (m *Metrics) CountMissing(webhooks int) { m.missing.Add(float64(webhooks)) }

// WatchWebhooks adds gauges for the number of webhooks by state, and for the age of the
// oldest event that a webhook has not received. They have no values while read returns
// false. It also adds a gauge for the number of webhooks to which this server is delivering.
func (m *Metrics) WatchWebhooks(read func() (w Webhooks, ok bool), running func() int) {
	m.registry.MustRegister(webhookStates{read})
	m.gauge("orgd_webhooks_in_delivery", "Webhooks to which this server is delivering.",
		func() float64 { return float64(running()) })
}

var (
	webhookCount = prometheus.NewDesc("orgd_webhooks",
		"Webhooks by state: enabled, failing (the last attempt failed), disabled (by a call) or given_up (disabled by a server: after failures, after a 410, or because its next events no longer exist).", []string{"state"}, nil)
	oldestEvent = prometheus.NewDesc("orgd_webhook_oldest_event_seconds",
		"Age of the oldest event that a webhook has not received, by state of the webhook: enabled, or failing (the last attempt failed).", []string{"state"}, nil)
)

// webhookStates collects the metrics of all webhooks. It collects none while the values are
// unknown, because zeros would look like real values.
type webhookStates struct {
	read func() (w Webhooks, ok bool)
}

// Describe implements prometheus.Collector.
func (c webhookStates) Describe(descs chan<- *prometheus.Desc) {
	descs <- webhookCount
	descs <- oldestEvent
}

// Collect implements prometheus.Collector.
func (c webhookStates) Collect(metrics chan<- prometheus.Metric) {
	w, ok := c.read()
	if !ok {
		return
	}
	gauge := func(desc *prometheus.Desc, state string, value float64) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, state)
	}
	gauge(webhookCount, "enabled", float64(w.Enabled))
	gauge(webhookCount, "failing", float64(w.Failing))
	gauge(webhookCount, "disabled", float64(w.Disabled))
	gauge(webhookCount, "given_up", float64(w.GivenUp))
	gauge(oldestEvent, "enabled", w.Behind.Seconds())
	gauge(oldestEvent, "failing", w.FailingBehind.Seconds())
}

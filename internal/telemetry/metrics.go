package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the metrics of one server. They have their own registry, so two servers in
// one process do not share counts.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	pages    *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	attempts *prometheus.HistogramVec
	givenUp  *prometheus.CounterVec
	missing  prometheus.Counter
	delays   prometheus.Histogram
}

// NewMetrics returns metrics that include those of the Go runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: newAttempts(),
		givenUp:  newGivenUp(),
		missing:  newMissing(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orgd_http_request_duration_seconds",
			Help:    "Time from reading the first byte of a request to writing the response, without the time that the request spent waiting for events or streaming, by route template.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		pages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orgd_page_entries",
			Help:    "Number of entries in returned pages, by route template.",
			Buckets: []float64{0, 1, 5, 10, 20, 50, 99, 100},
		}, []string{"route"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orgd_limited_requests_total",
			Help: "Requests rejected by a limit. Limits of a key: rate, in_flight_key. Of an account: rate_account, in_flight_account, waiting_account, memory. Of the server: in_flight, waiting. Of a client address: failures.",
		}, []string{"limit"}),
		delays: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orgd_feed_delay_seconds",
			Help:    "Delay between a change and its delivery, either in the response to a request that waited for events or in a message on an event stream.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	// PromQL's rate() needs each series to exist from the start.
	for _, limit := range []string{"rate", "rate_account", "in_flight_key", "in_flight_account", "memory", "in_flight", "waiting_account", "waiting", "failures"} {
		m.limited.WithLabelValues(limit)
	}
	m.registry.MustRegister(m.requests, m.pages, m.limited, m.attempts, m.givenUp, m.missing, m.delays,
		collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ObserveRequest records one answered request and its duration. route is the template,
// not the path; method is a standard HTTP method.
func (m *Metrics) ObserveRequest(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// SetBuild adds a gauge whose labels are the version and the commit of the program.
func (m *Metrics) SetBuild(version, commit string) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "orgd_build_info", Help: "Always 1; the labels are the version, commit and Go version of this program.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build)
}

// WatchPool adds the gauges of a connection pool.
func (m *Metrics) WatchPool(stat func() *pgxpool.Stat) {
	gauge := func(name, help string, value func(*pgxpool.Stat) float64) {
		m.gauge(name, help, func() float64 { return value(stat()) })
	}
	gauge("orgd_db_pool_max_conns", "Maximum number of connections in the pool.",
		func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) })
	gauge("orgd_db_pool_acquired_conns", "Connections of the pool that are in use.",
		func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) })
	gauge("orgd_db_pool_idle_conns", "Idle connections in the pool.",
		func(s *pgxpool.Stat) float64 { return float64(s.IdleConns()) })
}

// WatchPoolWaits adds the metrics of waits for a pool connection.
func (m *Metrics) WatchPoolWaits(stat func() (waiting int, served int64, waited time.Duration, givenUp int64)) {
	m.gauge("orgd_db_pool_waiting", "Calls waiting for a connection or for their account's turn.",
		func() float64 { waiting, _, _, _ := stat(); return float64(waiting) })
	m.counter("orgd_db_pool_waits_total", "Calls that waited for a connection and got one.",
		func() float64 { _, served, _, _ := stat(); return float64(served) })
	m.counter("orgd_db_pool_wait_seconds_total", "Total waiting time of the calls that waited for a connection and got one.",
		func() float64 { _, _, waited, _ := stat(); return waited.Seconds() })
	m.counter("orgd_db_pool_canceled_acquires_total", "Calls that waited for a connection and got none.",
		func() float64 { _, _, _, givenUp := stat(); return float64(givenUp) })
}

// ObservePage records the number of entries of a page. route is the template.
func (m *Metrics) ObservePage(route string, entries int) {
	m.pages.WithLabelValues(route).Observe(float64(entries))
}

// ObserveLimited counts a request that a limit rejected.
func (m *Metrics) ObserveLimited(limit string) { m.limited.WithLabelValues(limit).Inc() }

// WatchKeys adds metrics of the listener for key changes and of the key cache.
func (m *Metrics) WatchKeys(listening func() bool, stats func() (fromMemory, fromDatabase uint64, remembered int)) {
	m.gauge("orgd_key_listener_up", "1 while the server listens for changes to API keys. If 0, changes take effect after ORGD_KEY_CACHE_TTL.",
		func() float64 {
			if listening() {
				return 1
			}
			return 0
		})
	m.gauge("orgd_keys_remembered", "API keys in the cache, valid or not.",
		func() float64 { _, _, remembered := stats(); return float64(remembered) })
	m.counter("orgd_keys_from_memory_total", "Verifications of API keys answered from the cache.",
		func() float64 { fromMemory, _, _ := stats(); return float64(fromMemory) })
	m.counter("orgd_keys_from_database_total", "Verifications of API keys by a lookup in the database.",
		func() float64 { _, fromDatabase, _ := stats(); return float64(fromDatabase) })
}

// ObserveFeedDelay records how long after a change a waiting request or stream got its
// event.
func (m *Metrics) ObserveFeedDelay(delay time.Duration) { m.delays.Observe(delay.Seconds()) }

// WatchWaiting adds a gauge for the number of open exports, open event streams, and requests
// that wait for events.
func (m *Metrics) WatchWaiting(waiting func() int64) {
	m.gauge("orgd_waiting_requests", "Open exports, open event streams, and requests that wait for events.",
		func() float64 { return float64(waiting()) })
}

// WatchFeedLag adds a gauge for how far the feed lags behind, for the readers that wait for
// its next event.
func (m *Metrics) WatchFeedLag(lag func() time.Duration) {
	m.gauge("orgd_feed_lag_seconds", "Age of the oldest committed event without a position when this server last looked; 0 if there is none. Readers that wait on this server cannot get an event until it has a position, so a value of more than a few seconds means that they are kept waiting even though there is an event. Events that nobody waits for get their position when they are read, and do not count.",
		func() float64 { return lag().Seconds() })
}

// WatchErasures adds gauges for the number of deletions whose data is not fully erased,
// and for how long the oldest of them has waited.
func (m *Metrics) WatchErasures(pending func() (count int64, waited time.Duration)) {
	m.gauge("orgd_erasures_pending", "Deleted organizations and users whose data was not fully erased when this server last checked.",
		func() float64 { count, _ := pending(); return float64(count) })
	m.gauge("orgd_erasure_wait_seconds", "How long the oldest pending erasure has waited; 0 if there is none.",
		func() float64 { _, waited := pending(); return waited.Seconds() })
}

// WatchRetention adds metrics for how long events are kept, how many this server has
// deleted, and the age of the oldest one.
func (m *Metrics) WatchRetention(keep time.Duration, removed func() int64, oldestAge func() time.Duration) {
	m.gauge("orgd_events_keep_seconds", "How long events are kept (ORGD_EVENTS_KEEP); 0 means forever.",
		func() float64 { return keep.Seconds() })
	m.counter("orgd_events_removed_total", "Events that this server deleted because of their age.",
		func() float64 { return float64(removed()) })
	m.gauge("orgd_events_oldest_age_seconds", "Age of the oldest event when this server last looked; 0 if there was none, or if events are kept forever.",
		func() float64 { return oldestAge().Seconds() })
}

// WatchReadiness adds a gauge that shows whether the last probe found the server ready.
func (m *Metrics) WatchReadiness(ready func() bool) {
	m.gauge("orgd_ready", "1 if the last probe found the server ready for requests, else 0.", func() float64 {
		if ready() {
			return 1
		}
		return 0
	})
}

// WatchSchema adds gauges for the version of the database's schema at the last probe, and
// for the version that this release needs.
func (m *Metrics) WatchSchema(version func() int64, needed int64) {
	m.gauge("orgd_schema_version", "Version of the database's schema at the last probe; 0 if it was never read.",
		func() float64 { return float64(version()) })
	m.gauge("orgd_schema_version_needed", "Version of the schema that this release needs.",
		func() float64 { return float64(needed) })
}

// WatchLog adds a counter of lost log lines.
func (m *Metrics) WatchLog(lost func() int64) {
	m.counter("orgd_log_lines_lost_total", "Log lines that were dropped because a write failed or blocked.",
		func() float64 { return float64(lost()) })
}

func (m *Metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *Metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

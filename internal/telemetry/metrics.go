package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the counts of one server, in a registry of their own, so that two
// servers in one process do not share them.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

// NewMetrics returns metrics with those of the Go runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orgd_http_request_duration_seconds",
			Help:    "Time from the first byte of a request read to the answer written, by route template.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
	}
	m.registry.MustRegister(m.requests,
		collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ObserveRequest counts one answered request. route is the template, never the
// path; method is one of HTTP's own.
func (m *Metrics) ObserveRequest(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// WatchPool adds the levels and waits of a connection pool.
func (m *Metrics) WatchPool(stat func() *pgxpool.Stat) {
	gauge := func(name, help string, value func(*pgxpool.Stat) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(stat()) }))
	}
	counter := func(name, help string, value func(*pgxpool.Stat) float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return value(stat()) }))
	}
	gauge("orgd_db_pool_max_conns", "Connections that the pool may hold.",
		func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) })
	gauge("orgd_db_pool_acquired_conns", "Connections in use.",
		func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) })
	gauge("orgd_db_pool_idle_conns", "Connections that wait for use.",
		func(s *pgxpool.Stat) float64 { return float64(s.IdleConns()) })
	counter("orgd_db_pool_waits_total", "Acquires that had to wait for a connection.",
		func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) })
	counter("orgd_db_pool_wait_seconds_total", "Time that acquires spent waiting.",
		func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() })
	counter("orgd_db_pool_canceled_acquires_total", "Acquires that gave up waiting.",
		func(s *pgxpool.Stat) float64 { return float64(s.CanceledAcquireCount()) })
}

// WatchKeyListener adds whether changes of keys are heard as they happen.
func (m *Metrics) WatchKeyListener(listening func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orgd_key_listener_up",
		Help: "1 while changes of API keys are heard as they happen, else 0: then they count after ORGD_KEY_CACHE_TTL.",
	}, func() float64 {
		if listening() {
			return 1
		}
		return 0
	}))
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

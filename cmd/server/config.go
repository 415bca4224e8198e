package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

type serverFlags struct {
	limitFlags   `embed:""`
	webhookFlags `embed:""`
	AdminAddr    string        `env:"ORGD_ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of the probes, metrics and profiles. Keep it private (default: ${default})."`
	PublicURL    string        `env:"ORGD_PUBLIC_URL" placeholder:"URL" help:"Base URL of the API for clients, used in links (default: the address of the server)."`
	LogSample    float64       `env:"ORGD_LOG_SAMPLE" default:"1" placeholder:"SHARE" help:"Share of successful requests that are logged, 0 to 1 (default: ${default})."`
	TracesURL    string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT" name:"otlp-endpoint" placeholder:"URL" help:"OpenTelemetry collector that receives traces by OTLP over HTTP, such as http://localhost:4318 (default: no traces)."`
	LogLevel     string        `env:"ORGD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Lowest level that is logged: ${enum} (default: ${default})."`
	Docs         string        `env:"ORGD_DOCS" default:"on" enum:"on,off" help:"Whether to serve pages for people: the API reference, the guides and an explanation of each error (${enum}; default: ${default})."`
	Dashboard    string        `env:"ORGD_DASHBOARD" default:"on" enum:"on,off" help:"Whether to serve the dashboard (${enum}; default: ${default})."`
	DBMaxConns   int32         `env:"ORGD_DB_MAX_CONNS" default:"10" placeholder:"N" help:"Maximum number of database connections (default: ${default})."`
	KeyCacheTTL  time.Duration `env:"ORGD_KEY_CACHE_TTL" default:"30s" placeholder:"DURATION" help:"How long a key may be cached. Changes to keys normally take effect immediately; the TTL matters only if a change notification is lost. With 0s, every request looks up its key (default: ${default})."`
	EventsKeep   age           `env:"ORGD_EVENTS_KEEP" default:"400d" placeholder:"AGE" help:"How long events are kept, in days (400d) or as a duration (36h), at least 1d; 0 means forever (default: ${default})."`
	DrainDelay   time.Duration `env:"ORGD_DRAIN_DELAY" default:"5s" placeholder:"DURATION" help:"How long to keep serving after the stop signal, so that load balancers can stop sending requests (default: ${default})."`
	IdleTimeout  time.Duration `env:"ORGD_IDLE_TIMEOUT" default:"75s" placeholder:"DURATION" help:"How long a connection may be idle between two requests. Set it above the load balancer's idle timeout (default: ${default})."`
}

// Validate rejects values that the command-line parser accepts but the server does not
// support.
func (f serverFlags) Validate() error {
	if err := validAddr("ORGD_ADMIN_ADDR", f.AdminAddr); err != nil {
		return err
	}
	if f.DBMaxConns < 1 {
		return fmt.Errorf("ORGD_DB_MAX_CONNS is %d; it must be 1 or more", f.DBMaxConns)
	}
	if f.DBMaxConnsPerAccount < 0 || f.DBMaxConnsPerAccount > f.DBMaxConns {
		return fmt.Errorf("ORGD_DB_MAX_CONNS_PER_ACCOUNT is %d; it must be from 0 to %d, the value of ORGD_DB_MAX_CONNS", f.DBMaxConnsPerAccount, f.DBMaxConns)
	}
	if f.DrainDelay < 0 || f.DrainDelay > time.Minute {
		return fmt.Errorf("ORGD_DRAIN_DELAY is %s; it must be from 0s to 1m", f.DrainDelay)
	}
	if f.IdleTimeout < time.Second || f.IdleTimeout > 24*time.Hour {
		return fmt.Errorf("ORGD_IDLE_TIMEOUT is %s; it must be from 1s to 24h", f.IdleTimeout)
	}
	if f.KeyCacheTTL < 0 || f.KeyCacheTTL > 5*time.Minute {
		return fmt.Errorf("ORGD_KEY_CACHE_TTL is %s; it must be from 0s to 5m", f.KeyCacheTTL)
	}
	if !(f.LogSample >= 0 && f.LogSample <= 1) {
		return fmt.Errorf("ORGD_LOG_SAMPLE is %v; it must be from 0 to 1", f.LogSample)
	}
	return firstError(f.limitFlags.Validate(), f.webhookFlags.Validate(), validKeep(f.EventsKeep), validURL("ORGD_PUBLIC_URL", f.PublicURL, "https://orgs.example.com"),
		validURL("OTEL_EXPORTER_OTLP_ENDPOINT", f.TracesURL, "http://localhost:4318"))
}

func logLevel(name string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		panic(err) // the flag's enum allows only valid levels
	}
	return level
}

// firstError returns the first error that is not nil. Validate reports one invalid value
// at a time.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func validAddr(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil {
		return fmt.Errorf("%s is %q; it must be HOST:PORT or :PORT, with a port from 0 to 65535", name, addr)
	}
	return nil
}

func validURL(name, s, example string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		// The message must not quote s, which may contain a password.
		return fmt.Errorf("%s must be an http or https URL without user, query or fragment, such as %s", name, example)
	}
	return nil
}

// validText checks the text of a flag with valid, a rule of the domain, and replaces it
// with the trimmed text that valid returns.
func validText(flag string, text *string, valid func(string) (string, error)) error {
	trimmed, err := valid(*text)
	if err != nil {
		return fmt.Errorf("%s %w", flag, err)
	}
	*text = trimmed
	return nil
}

// publicURL returns the base URL for clients: the configured one, or the address that
// the server is bound to.
func publicURL(configured string, bound net.Addr) string {
	if configured != "" {
		return strings.TrimRight(configured, "/")
	}
	return "http://" + localAddr(bound.String())
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/apikeys"
	orgdhttp "orgd/internal/http"
	"orgd/internal/ratelimit"
	"orgd/internal/telemetry"
)

// commandLine is every flag and environment variable there is; nothing else
// reads the environment.
type commandLine struct {
	Serve       serveCommand       `cmd:"" help:"Serve the API."`
	Dev         devCommand         `cmd:"" help:"Serve the API with a database and sample data, with nothing to configure."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the database's schema up to date, or look at it."`
	Accounts    accountsCommand    `cmd:"" help:"Manage accounts."`
	Keys        keysCommand        `cmd:"" help:"Manage API keys."`
	Seed        seedCommand        `cmd:"" help:"Fill an account with sample organizations."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a running server on this machine whether it is ready; for containers."`
}

type databaseFlags struct {
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use: postgres://user:password@host:port/name."`
}

// Validate finds a wrong URL before anything is done with it.
func (f databaseFlags) Validate() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: give a URL such as postgres://user:password@localhost:5432/orgd")
	}
	return validDatabaseURL(f.DatabaseURL)
}

func validDatabaseURL(u telemetry.Secret) error {
	cfg, err := pgxpool.ParseConfig(u.Reveal())
	if err != nil {
		return errors.New("DATABASE_URL is not a PostgreSQL URL such as postgres://user:password@localhost:5432/orgd")
	}
	switch mode := cfg.ConnConfig.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return fmt.Errorf("DATABASE_URL asks for default_query_exec_mode %q: pages are read in PostgreSQL's binary format, which that mode has not", mode)
	}
	return nil
}

type serverFlags struct {
	AdminAddr         string        `env:"ORGD_ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of the probes, metrics and profiles; keep it private (${default})."`
	PublicURL         string        `env:"ORGD_PUBLIC_URL" placeholder:"URL" help:"How clients reach the API, for the links in answers (the address it is bound to)."`
	LogLevel          string        `env:"ORGD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum} (${default})."`
	DBMaxConns        int32         `env:"ORGD_DB_MAX_CONNS" default:"10" placeholder:"N" help:"Most connections to the database at once (${default})."`
	KeyCacheTTL       time.Duration `env:"ORGD_KEY_CACHE_TTL" default:"30s" placeholder:"DURATION" help:"How long what is known of a key may be used without asking the database, if the news of a change is lost; 0s asks for each request (${default})."`
	MaxInFlight       int           `env:"ORGD_MAX_IN_FLIGHT" default:"1000" placeholder:"N" help:"Most requests at once; beyond them 503; 0 for no limit (${default})."`
	MaxInFlightPerKey int           `env:"ORGD_MAX_IN_FLIGHT_PER_KEY" default:"200" placeholder:"N" help:"Most requests at once of one key; beyond them 429; 0 for no limit (${default})."`
	TrustedProxies    []network     `env:"ORGD_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8 (none)."`
	DrainDelay        time.Duration `env:"ORGD_DRAIN_DELAY" default:"5s" placeholder:"DURATION" help:"How long to serve on after being told to stop, while balancers take notice (${default})."`
}

// Validate finds what Kong's types let through.
func (f serverFlags) Validate() error {
	if err := validAddr("ORGD_ADMIN_ADDR", f.AdminAddr); err != nil {
		return err
	}
	if f.DBMaxConns < 1 {
		return fmt.Errorf("ORGD_DB_MAX_CONNS is %d: give 1 or more", f.DBMaxConns)
	}
	if f.DrainDelay < 0 || f.DrainDelay > time.Minute {
		return fmt.Errorf("ORGD_DRAIN_DELAY is %s: give 0s to 1m", f.DrainDelay)
	}
	if f.MaxInFlight < 0 || f.MaxInFlightPerKey < 0 {
		return errors.New("ORGD_MAX_IN_FLIGHT and ORGD_MAX_IN_FLIGHT_PER_KEY take 0 or more")
	}
	if f.KeyCacheTTL < 0 || f.KeyCacheTTL > 5*time.Minute {
		return fmt.Errorf("ORGD_KEY_CACHE_TTL is %s: give 0s to 5m", f.KeyCacheTTL)
	}
	return validPublicURL(f.PublicURL)
}

// rateFlag is apart from the others because server dev has another default.
type rateFlag struct {
	RateLimit int `env:"ORGD_RATE_LIMIT" default:"100" placeholder:"N" help:"Requests a second that a key may make on the long run, twice as many at once; 0 for no limit (${default})."`
}

func validRate(perSecond int) error {
	if perSecond < 0 || perSecond > apikeys.MaxRateLimit {
		return fmt.Errorf("ORGD_RATE_LIMIT is %d: give 0 to %d", perSecond, apikeys.MaxRateLimit)
	}
	return nil
}

// failures are the authentications that may fail, for each address of a client.
var failures = ratelimit.Rate{PerSecond: 10, Burst: 100}

func (f serverFlags) limits(perSecond int) orgdhttp.Limits {
	return orgdhttp.Limits{
		PerKey:         ratelimit.PerSecond(perSecond),
		InFlight:       f.MaxInFlight,
		InFlightPerKey: f.MaxInFlightPerKey,
		Failures:       failures,
	}
}

// network is a range of addresses in CIDR form.
type network struct{ *net.IPNet }

// UnmarshalText reads CIDR form (RFC 4632), or one address.
func (n *network) UnmarshalText(text []byte) error {
	s := string(text)
	if ip := net.ParseIP(s); ip != nil {
		bits := 8 * len(ip.To16())
		if ip.To4() != nil {
			ip, bits = ip.To4(), 32
		}
		n.IPNet = &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}
		return nil
	}
	_, parsed, err := net.ParseCIDR(s)
	if err != nil {
		return fmt.Errorf("%q is no range of addresses such as 10.0.0.0/8", s)
	}
	n.IPNet = parsed
	return nil
}

func (f serverFlags) proxies() []*net.IPNet {
	ranges := make([]*net.IPNet, len(f.TrustedProxies))
	for i, n := range f.TrustedProxies {
		ranges[i] = n.IPNet
	}
	return ranges
}

func logLevel(name string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		panic(err) // the flag's enum has checked it
	}
	return level
}

// firstError is for Validate: one wrong value, one line.
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
		return fmt.Errorf("%s is %q: give HOST:PORT or :PORT", name, addr)
	}
	return nil
}

func validPublicURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("ORGD_PUBLIC_URL is %q: give a URL such as https://orgs.example.com", s)
	}
	return nil
}

// publicURL returns where clients reach the server: what was configured, or the
// address that it is bound to.
func publicURL(configured string, bound net.Addr) string {
	if configured != "" {
		return strings.TrimRight(configured, "/")
	}
	return "http://" + localAddr(bound.String())
}

const (
	exitFailed = 1
	exitUsage  = 2
)

// execute runs the command in args and returns the exit code.
func execute(ctx context.Context, args []string, std streams) int {
	var cli commandLine
	exited := -1
	parser := kong.Must(&cli,
		kong.Name("server"),
		kong.Description("orgd, the organizations service. Flags may be given as environment variables."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(std.err, "server:", err)
		return exitUsage
	}
	err = command.Run()
	if err != nil && ctx.Err() != nil {
		// What was under way failed because it was told to stop.
		fmt.Fprintln(std.err, "server: stopped")
		return exitFailed
	}
	if err != nil {
		fmt.Fprintln(std.err, "server:", err)
		return exitFailed
	}
	return 0
}

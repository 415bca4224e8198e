package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/db"
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
	Version     versionCommand     `cmd:"" help:"Say which release this is."`
}

// databaseFlags lead to the database. A pooler that lends connections for a
// transaction can't listen, nor lock for a session, so only what serves goes through
// it.
type databaseFlags struct {
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use: postgres://user:password@host:port/name."`
	DirectURL   telemetry.Secret `env:"ORGD_DB_DIRECT_URL" name:"db-direct-url" placeholder:"URL" help:"The same PostgreSQL without the pooler, where DATABASE_URL leads through one (DATABASE_URL)."`
}

// Validate finds a wrong URL before anything is done with it.
func (f databaseFlags) Validate() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: give a URL such as postgres://user:password@localhost:5432/orgd")
	}
	if err := validDatabaseURL("DATABASE_URL", f.DatabaseURL); err != nil || f.DirectURL == "" {
		return err
	}
	return validDatabaseURL("ORGD_DB_DIRECT_URL", f.DirectURL)
}

// direct returns the URL that leads to PostgreSQL itself.
func (f databaseFlags) direct() string { return cmp.Or(f.DirectURL, f.DatabaseURL).Reveal() }

// pgx takes what does not begin so for names and values, jdbc:… among others.
var databaseURLForm = regexp.MustCompile(`^(postgres|postgresql)://|^[a-z_]+ *=`)

func validDatabaseURL(name string, u telemetry.Secret) error {
	if text := u.Reveal(); strings.TrimSpace(text) != text {
		return fmt.Errorf("%s begins or ends with a space or a line break: remove it", name)
	}
	cfg, err := pgxpool.ParseConfig(u.Reveal())
	if unread, ok := errors.AsType[*fs.PathError](err); ok { // of a certificate or key
		return fmt.Errorf("%s names a file that cannot be read: %w", name, unread)
	}
	if err != nil || !databaseURLForm.MatchString(u.Reveal()) {
		return fmt.Errorf("%s is not a PostgreSQL URL such as postgres://user:password@localhost:5432/orgd", name)
	}
	switch mode := cfg.ConnConfig.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return fmt.Errorf("%s sets default_query_exec_mode to %q: pages are read in PostgreSQL's binary format, which that mode does not support", name, mode)
	}
	return db.CheckURL(u.Reveal())
}

// poolerFlag is for a pooler that is too old for prepared statements.
type poolerFlag struct {
	ExecMode string `env:"ORGD_DB_EXEC_MODE" name:"db-exec-mode" default:"prepared" enum:"prepared,described" help:"How statements are sent: ${enum}; described behind a PgBouncer before 1.21 (${default})."`
}

type serverFlags struct {
	limitFlags  `embed:""`
	AdminAddr   string        `env:"ORGD_ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of the probes, metrics and profiles; keep it private (${default})."`
	PublicURL   string        `env:"ORGD_PUBLIC_URL" placeholder:"URL" help:"How clients reach the API, for the links in answers (the address it is bound to)."`
	LogSample   float64       `env:"ORGD_LOG_SAMPLE" default:"1" placeholder:"SHARE" help:"Share of the requests without an error that are logged, 0 to 1 (${default})."`
	TracesURL   string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT" name:"otlp-endpoint" placeholder:"URL" help:"Collector of OpenTelemetry traces, by OTLP over HTTP, such as http://localhost:4318 (no traces)."`
	LogLevel    string        `env:"ORGD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum} (${default})."`
	DBMaxConns  int32         `env:"ORGD_DB_MAX_CONNS" default:"10" placeholder:"N" help:"Most connections to the database at once (${default})."`
	KeyCacheTTL time.Duration `env:"ORGD_KEY_CACHE_TTL" default:"30s" placeholder:"DURATION" help:"How long what is known of a key may be used without asking the database, if the news of a change is lost; 0s asks for each request (${default})."`
	DrainDelay  time.Duration `env:"ORGD_DRAIN_DELAY" default:"5s" placeholder:"DURATION" help:"How long to serve on after being told to stop, while balancers take notice (${default})."`
	IdleTimeout time.Duration `env:"ORGD_IDLE_TIMEOUT" default:"75s" placeholder:"DURATION" help:"How long a connection may be idle between two requests; more than the load balancer keeps one (${default})."`
}

// Validate finds what Kong's types let through.
func (f serverFlags) Validate() error {
	if err := validAddr("ORGD_ADMIN_ADDR", f.AdminAddr); err != nil {
		return err
	}
	if f.DBMaxConns < 1 {
		return fmt.Errorf("ORGD_DB_MAX_CONNS is %d: give 1 or more", f.DBMaxConns)
	}
	if f.DBMaxConnsPerAccount < 0 || f.DBMaxConnsPerAccount > f.DBMaxConns {
		return fmt.Errorf("ORGD_DB_MAX_CONNS_PER_ACCOUNT is %d: give 0 to %d, which is ORGD_DB_MAX_CONNS", f.DBMaxConnsPerAccount, f.DBMaxConns)
	}
	if f.DrainDelay < 0 || f.DrainDelay > time.Minute {
		return fmt.Errorf("ORGD_DRAIN_DELAY is %s: give 0s to 1m", f.DrainDelay)
	}
	if f.IdleTimeout < time.Second || f.IdleTimeout > 24*time.Hour {
		return fmt.Errorf("ORGD_IDLE_TIMEOUT is %s: give 1s to 24h", f.IdleTimeout)
	}
	if f.KeyCacheTTL < 0 || f.KeyCacheTTL > 5*time.Minute {
		return fmt.Errorf("ORGD_KEY_CACHE_TTL is %s: give 0s to 5m", f.KeyCacheTTL)
	}
	if !(f.LogSample >= 0 && f.LogSample <= 1) {
		return fmt.Errorf("ORGD_LOG_SAMPLE is %v: give 0 to 1", f.LogSample)
	}
	return firstError(f.limitFlags.Validate(), validURL("ORGD_PUBLIC_URL", f.PublicURL, "https://orgs.example.com"),
		validURL("OTEL_EXPORTER_OTLP_ENDPOINT", f.TracesURL, "http://localhost:4318"))
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

func validURL(name, s, example string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		// It may hold a password.
		return fmt.Errorf("%s is not a URL such as %s", name, example)
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

// execute runs the command in args and returns the exit code. A command whose output
// cannot be written has failed.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	std := streams{out: &output{to: stdout}, err: stderr}
	err := runCommand(ctx, args, std)
	if err == nil && std.out.err != nil {
		err = fmt.Errorf("the output cannot be written: %w", std.out.err)
	}
	if usage, wrong := errors.AsType[usageError](err); wrong {
		fmt.Fprintln(std.err, "server:", usage.error)
		return exitUsage
	}
	if err != nil && ctx.Err() != nil {
		// What was under way failed because it was told to stop.
		err = errors.New("stopped")
	}
	if err != nil {
		fmt.Fprintln(std.err, "server:", err)
		return exitFailed
	}
	return 0
}

// usageError is what is wrong with a command line or a variable.
type usageError struct{ error }

func runCommand(ctx context.Context, args []string, std streams) error {
	var cli commandLine
	helped := false
	parser := kong.Must(&cli,
		kong.Name("server"),
		kong.Description("orgd, the organizations service. Flags may be given as environment variables."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	unknown := unknownVariables(variables(parser.Model.Node), os.Environ())
	command, err := parser.Parse(args)
	if helped || std.out.err != nil {
		return nil
	}
	if err != nil || !slices.Contains(reportVariables, command.Command()) {
		for _, v := range unknown {
			fmt.Fprintln(std.err, "server: warning:", v)
		}
	}
	if err != nil {
		return usageError{err}
	}
	return command.Run(unknown)
}

// reportVariables are commands that do something else about unknown variables: serve
// logs them, and a healthcheck, which runs every few seconds, is silent.
var reportVariables = []string{"serve", "healthcheck"}

// Package db has the connection pool for PostgreSQL, the classes of its errors, and the
// migration runner. It knows no table of orgd.
package db

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are the settings of a pool. Zero values mean the defaults. A timeout in the
// URL takes precedence.
type Options struct {
	MaxConns         int32         // default 10
	MaxConnsPerOwner int32         // per account; default 4/5 of MaxConns, at least 1
	AcquireTimeout   time.Duration // how long a caller waits for a connection; default 2 s
	StatementTimeout time.Duration // PostgreSQL ends a longer statement; default none
	LockTimeout      time.Duration // PostgreSQL ends a longer wait for a lock; default none
	IdleTxTimeout    time.Duration // PostgreSQL ends a transaction that is idle for longer; default none
	// UserTimeout is how long sent bytes may stay unacknowledged or unread; the default
	// is the system's. Do not set it for COPY: PostgreSQL may be too busy to read for
	// several seconds.
	UserTimeout time.Duration
	// Pooled means that the URL goes through a pooler in transaction mode. Such a pooler
	// does not pass settings on, so the pool sends none: the database role must set the
	// timeouts.
	Pooled bool
	// Unprepared is for a pooler that does not support prepared statements (PgBouncer
	// before 1.21). Each statement is described once, and sent in full each time.
	Unprepared bool
	Tracer     Tracer // traces each statement; nil for none
}

// Tracer traces the statements of a pool.
type Tracer = pgx.QueryTracer

// Pool is a bounded set of connections.
type Pool struct {
	pool           *pgxpool.Pool
	gate           *gate
	turns          *turns
	maxConns       int
	acquireTimeout time.Duration
	sockets        *sockets
	hosts          *hosts
	dials          backoff
	doubted        atomic.Int64   // when a connection was last lost; bytes received before that do not count
	closing        sync.WaitGroup // waits for connections being closed and for background tasks
	trying         atomic.Bool    // keepTrying is running
	connConfig     *pgx.ConnConfig
	prepare        func(context.Context, *pgx.Conn) error // called for each new connection
	ctx            context.Context                        // done when the pool is closed
	cancel         context.CancelFunc
}

// Open returns a pool for the database at url. It does not wait for a connection: if the
// database is down, the first use reports it. An error means that url cannot be parsed.
// The error contains no password.
func Open(ctx context.Context, url string, o Options) (*Pool, error) {
	cfg, err := parse(url, o.UserTimeout)
	if err != nil {
		return nil, err
	}
	if o.MaxConns == 0 {
		o.MaxConns = 10
	}
	if o.MaxConnsPerOwner == 0 {
		o.MaxConnsPerOwner = max(1, o.MaxConns-max(1, o.MaxConns/5))
	}
	if o.AcquireTimeout == 0 {
		o.AcquireTimeout = 2 * time.Second
	}
	cfg.MaxConns = o.MaxConns
	cfg.MinIdleConns = min(2, o.MaxConns)
	cfg.MaxConnLifetime = 30 * time.Minute
	cfg.MaxConnLifetimeJitter = 5 * time.Minute
	params := cfg.ConnConfig.RuntimeParams
	nameApplication(params, "orgd")
	cfg.ConnConfig.Tracer = o.Tracer
	if o.Unprepared {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if !o.Pooled {
		setParams(params, o)
	}
	p := &Pool{
		gate:           newGate(int(o.MaxConns), int(min(o.MaxConnsPerOwner, o.MaxConns))),
		turns:          newTurns(),
		maxConns:       int(o.MaxConns),
		acquireTimeout: o.AcquireTimeout,
		hosts:          newHosts(cfg.ConnConfig),
		connConfig:     cfg.ConnConfig.Copy(),
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.connConfig.Tracer = nil
	p.sockets = newSockets(p.resize)
	p.install(cfg, o)
	if p.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	if !o.Pooled {
		p.closing.Go(func() { newWatchdog(p.sockets, p.connConfig).run(p.ctx) })
	}
	return p, nil
}

func setParams(params map[string]string, o Options) {
	// JIT compilation takes longer than our statements run.
	params["jit"] = "off"
	params["client_min_messages"] = "warning" // noteReplication needs the warnings
	params["default_transaction_isolation"] = "read committed"
	if params["idle_session_timeout"] == "" {
		params["idle_session_timeout"] = "0"
	}
	for name, timeout := range map[string]time.Duration{
		"statement_timeout":                   o.StatementTimeout,
		"lock_timeout":                        o.LockTimeout,
		"idle_in_transaction_session_timeout": o.IdleTxTimeout,
	} {
		if timeout > 0 && params[name] == "" {
			params[name] = strconv.FormatInt(timeout.Milliseconds(), 10)
		}
	}
}

// install sets the hooks for new connections. It turns pgxpool's pings off, because after
// a failed ping pgxpool keeps the connection's place for up to 15 s. Pool.take pings
// instead.
func (p *Pool) install(cfg *pgxpool.Config, o Options) {
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	cfg.ConnConfig.OnNotice = noteReplication
	cfg.ConnConfig.BuildContextWatcherHandler = finishCanceled
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		h := &hook{next: c.DialFunc, sockets: p.sockets, hosts: p.hosts}
		if err := p.begin(h); err != nil {
			return err
		}
		c.DialFunc = h.dial
		c.Tracer = &attempt{QueryTracer: markBusy(o.Tracer), failed: func(err error) { p.failed(err, h.isTrial) }}
		return nil
	}
	p.prepare = prepareSession
	if o.Pooled {
		p.prepare = checkPooledSession
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		s := socketOf(conn.PgConn())
		readTimesAsUTC(conn)
		err := p.prepare(ctx, conn)
		if err == nil {
			err = p.sockets.open(s)
		}
		if err != nil {
			p.failed(err, s.isTrial)
			return err
		}
		p.dials.succeeded(s.isTrial)
		p.resize()
		return nil
	}
}

func readTimesAsUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

// Setting returns the value of a parameter on a connection of the pool.
func (p *Pool) Setting(ctx context.Context, name string) (value string, err error) {
	err = p.Read(ctx, func(ctx context.Context, q Querier) error {
		return q.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	})
	return value, err
}

// Read is Share.Read for work that no account requested.
func (p *Pool) Read(ctx context.Context, fn func(context.Context, Querier) error) error {
	return p.For(server).Read(ctx, fn)
}

// Write is Share.Write for work that no account requested.
func (p *Pool) Write(ctx context.Context, fn func(context.Context, Querier) error) error {
	return p.For(server).Write(ctx, fn)
}

// WriteTx is Share.WriteTx for work that no account requested.
func (p *Pool) WriteTx(ctx context.Context, fn func(context.Context, Querier) error) error {
	return p.For(server).WriteTx(ctx, fn)
}

// Stat returns the current counts of connections.
func (p *Pool) Stat() *pgxpool.Stat { return p.pool.Stat() }

// Waits returns counts of the callers that had to wait, either for their owner's turn or
// for a new connection.
func (p *Pool) Waits() Waits {
	waits, opened := p.gate.stat(), p.pool.Stat()
	waits.Served += opened.EmptyAcquireCount()
	waits.Time += opened.EmptyAcquireWaitTime()
	waits.GivenUp += opened.CanceledAcquireCount()
	return waits
}

// Pgx returns the underlying pool, for bulk work with COPY.
func (p *Pool) Pgx() *pgxpool.Pool { return p.pool }

// Close closes all connections. It waits for those in use.
func (p *Pool) Close() {
	p.cancel()
	p.pool.Close()
	p.closing.Wait()
}

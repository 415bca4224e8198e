package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// install sets the hooks of a new connection. It leaves pings to take: after a failed
// ping, pgxpool keeps the connection's place for up to 15 s.
func (p *Pool) install(cfg *pgxpool.Config, o Options) {
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	cfg.ConnConfig.OnNotice = noteReplication
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		h := &hook{next: c.DialFunc, links: p.links, hosts: p.hosts}
		if err := p.begin(h); err != nil {
			return err
		}
		c.DialFunc = h.dial
		c.Tracer = &attempt{QueryTracer: o.Tracer, failed: func(err error) { p.failed(err, h.isTrial) }}
		return nil
	}
	p.makeReady = settle
	if o.Pooled {
		p.makeReady = checkPooled
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		l := linkOf(conn.PgConn())
		readTimesAsUTC(conn)
		err := p.makeReady(ctx, conn)
		if err == nil {
			err = p.links.open(l)
		}
		if err != nil {
			p.failed(err, l.isTrial)
			return err
		}
		p.dials.succeeded(l.isTrial)
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

package db

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// finishLimit is how long a statement may keep running after its caller has canceled it,
// because a client disconnected. pgx can end a statement only by closing the connection. A
// new connection costs more than most statements, so clients that disconnect often would
// leave no connections for other accounts.
const finishLimit = 250 * time.Millisecond

// canceling ends the statement of a connection whose context is done: at once if its
// deadline has passed, and after finishLimit if it was canceled.
type canceling struct{ net.Conn }

func finishCanceled(conn *pgconn.PgConn) ctxwatch.Handler { return canceling{conn.Conn()} }

// HandleCancel implements ctxwatch.Handler.
func (c canceling) HandleCancel(ctx context.Context) {
	end := time.Now()
	if errors.Is(ctx.Err(), context.Canceled) {
		end = end.Add(finishLimit)
	}
	_ = c.SetDeadline(end) // if it fails, the connection is closed
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c canceling) HandleUnwatchAfterCancel() { _ = c.SetDeadline(time.Time{}) }

package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The classes of database errors that callers tell apart. An error of none of
// them is a defect.
var (
	// ErrNoRows: the statement found nothing.
	ErrNoRows = errors.New("db: no rows")
	// ErrUnavailable: the database cannot be asked, or gave up under load; later
	// it may answer.
	ErrUnavailable = errors.New("db: unavailable")
	// ErrMisconfigured, beside ErrUnavailable: PostgreSQL answers, and has not what the
	// URL names (its database, a parameter), or the database cannot hold orgd's data.
	// It stays so until somebody changes the one or the other.
	ErrMisconfigured = errors.New("db: misconfigured")
	// ErrDenied, beside ErrUnavailable: PostgreSQL answers and does not let this role
	// in. While a password is rotated, that may be for a moment.
	ErrDenied = errors.New("db: access denied")
	// ErrConflict: a unique constraint refuses the row.
	ErrConflict = errors.New("db: conflict")
	// ErrReference: a row that the statement refers to does not exist.
	ErrReference = errors.New("db: reference to nothing")
	// ErrRefused: a CHECK or a length refuses the value. Validation should have
	// found it first.
	ErrRefused = errors.New("db: value refused")

	errStalePlan = errors.New("db: the schema changed under a prepared statement")
	errLost      = errors.New("connection lost")
)

// classes maps an SQLSTATE, or its first two characters (the class), to what
// it means here. The code is looked up before the class.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var classes = map[string]error{
	"23505": ErrConflict,
	"23503": ErrReference,
	"23514": ErrRefused,
	"22001": ErrRefused,
	"0A000": errStalePlan, // cached plan must not change result type

	"08":    ErrUnavailable, // connection
	"25006": ErrUnavailable, // read-only: the primary became a standby
	"40001": ErrUnavailable, // serialization failure
	"40P01": ErrUnavailable, // deadlock
	"53":    ErrUnavailable, // no memory, disk or connection slot left
	"55P03": ErrUnavailable, // lock not available
	"57":    ErrUnavailable, // ended by timeout or by an operator, or starting up
}

// connectClasses says, beside ErrUnavailable, why PostgreSQL refuses a connection.
var connectClasses = map[string]error{
	"22023": ErrMisconfigured, // invalid value of a parameter in the URL
	"3D000": ErrMisconfigured, // no such database
	"42704": ErrMisconfigured, // no such parameter
	"28000": ErrDenied,        // no such role, or pg_hba.conf does not let it in
	"28P01": ErrDenied,        // wrong password
	"42501": ErrDenied,        // no CONNECT on the database
}

// cannotConnect classes an error of a connection that was not to be had.
func cannotConnect(what string, err error) error {
	class := ErrUnavailable
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && connectClasses[pgErr.Code] != nil {
		class = fmt.Errorf("%w: %w", ErrUnavailable, connectClasses[pgErr.Code])
	}
	return fmt.Errorf("%w: %s%w", class, what, inOneLine{err})
}

// Translate wraps an error of pgx in its class, if it has one. The methods of this
// package do that; it is for work on Pool.Pgx.
func Translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoRows
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if class := classOf(err); class != nil && !errors.Is(err, class) {
		return fmt.Errorf("%w: %w", class, err)
	}
	return err
}

// translateLost is Translate for a connection that broke during the statement.
func translateLost(err error) error {
	err = Translate(err)
	if errors.Is(err, ErrNoRows) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w: %w", ErrUnavailable, errLost, err)
}

// inOneLine is an error whose text is one line: of a failed connection pgx writes a
// line for each try, of each host, with and without TLS.
type inOneLine struct{ error }

func (e inOneLine) Error() string {
	first, tries, several := strings.Cut(e.error.Error(), "\n\t")
	if !several {
		return first
	}
	return first + " " + strings.Join(slices.Compact(strings.Split(tries, "\n\t")), "; ")
}

func (e inOneLine) Unwrap() error { return e.error }

func classOf(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) != 5 {
		return nil
	}
	if class, ok := classes[pgErr.Code]; ok {
		return class
	}
	return classes[pgErr.Code[:2]]
}

func worthRepeating(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, errStalePlan)
}

func isReadOnly(err error) bool { return hasState(err, "25006") }

func isLockTimeout(err error) bool { return hasState(err, "55P03") }

func hasState(err error, sqlstate string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == sqlstate
}

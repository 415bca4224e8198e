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

// The classes of database errors that callers distinguish. An error without a class is
// a defect.
var (
	// ErrNoRows means that the statement found no row.
	ErrNoRows = errors.New("db: no rows")
	// ErrUnavailable means that the database cannot be reached, or gave up under load. A
	// retry may succeed.
	ErrUnavailable = errors.New("db: unavailable")
	// ErrMisconfigured means that PostgreSQL answers, but the database or its URL is
	// wrong: PostgreSQL does not know the database or a parameter of the URL, or the
	// database cannot hold orgd's data. Retries fail until somebody fixes this. An error
	// while connecting is also ErrUnavailable.
	ErrMisconfigured = errors.New("db: misconfigured")
	// ErrDenied means that PostgreSQL denies this role access. This may be temporary, for
	// example while a password is rotated. The error is also ErrUnavailable.
	ErrDenied = errors.New("db: access denied")
	// ErrConflict means that the row violates a unique constraint.
	ErrConflict = errors.New("db: conflict")
	// ErrReference means that the row refers to another row that does not exist.
	ErrReference = errors.New("db: reference to a missing row")
	// ErrRejected means that the value violates a CHECK constraint or is too long.
	// Validation should have rejected it first.
	ErrRejected = errors.New("db: value rejected")
	// ErrTimeLimit means that PostgreSQL ended a statement after its time limit. The error
	// is also ErrUnavailable.
	ErrTimeLimit = errors.New("db: time limit exceeded")
	// ErrDeadlock means that PostgreSQL rolled the transaction back to end a deadlock with
	// another one. The error is also ErrUnavailable.
	ErrDeadlock = fmt.Errorf("%w: deadlock", ErrUnavailable)

	errStalePlan = errors.New("db: the schema changed under a prepared statement")
	errLost      = errors.New("connection lost")
)

// classes maps an SQLSTATE, or its first two characters, to a class of errors. The full
// SQLSTATE takes precedence.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var classes = map[string]error{
	"23505": ErrConflict,
	"23503": ErrReference,
	"23514": ErrRejected,
	"22001": ErrRejected,
	"0A000": errStalePlan, // cached plan must not change result type

	"08":    ErrUnavailable, // connection exception
	"25006": ErrUnavailable, // read-only: the primary became a standby
	"40001": ErrUnavailable, // serialization failure
	"40P01": ErrDeadlock,
	"53":    ErrUnavailable, // no memory, disk or connection slot left
	"55P03": ErrUnavailable, // lock not available
	"57":    ErrUnavailable, // ended by timeout or by an operator, or starting up
}

// connectClasses maps the SQLSTATE of a rejected connection to a class that is added
// to ErrUnavailable.
var connectClasses = map[string]error{
	"22023": ErrMisconfigured, // invalid value of a parameter in the URL
	"3D000": ErrMisconfigured, // no such database
	"42704": ErrMisconfigured, // no such parameter
	"28000": ErrDenied,        // no such role, or pg_hba.conf rejects it
	"28P01": ErrDenied,        // wrong password
	"42501": ErrDenied,        // no CONNECT privilege on the database
}

// cannotConnect adds the classes to the error of a failed connection.
func cannotConnect(what string, err error) error {
	class := ErrUnavailable
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && connectClasses[pgErr.Code] != nil {
		class = fmt.Errorf("%w: %w", ErrUnavailable, connectClasses[pgErr.Code])
	}
	return fmt.Errorf("%w: %s%w", class, what, inOneLine{err})
}

// Translate adds the class to an error of pgx, if it has one. The methods of this package
// already do this. Call Translate only for work on the pool that Pool.Pgx returns.
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

// translateLost is like Translate, for a connection that was lost during the statement.
func translateLost(err error) error {
	err = Translate(err)
	if errors.Is(err, ErrNoRows) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w: %w", ErrUnavailable, errLost, err)
}

// inOneLine is an error whose text is one line. For a failed connection, pgx writes one
// line per attempt: for each host, with and without TLS.
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

func isTimeLimit(err error) bool { return hasState(err, "57014") }

func isLockTimeout(err error) bool { return hasState(err, "55P03") }

func hasState(err error, sqlstate string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == sqlstate
}

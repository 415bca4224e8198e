// Package events reads the audit trail, which has one row for each change. It gives the
// events of an account their positions, and serves them as a feed.
package events

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidCursor means that the cursor is not from the account's feed.
	ErrInvalidCursor = errors.New("events: invalid cursor")
	// ErrCursorExpired means that events after the cursor have been deleted because of
	// their age.
	ErrCursorExpired = errors.New("events: cursor expired")
	// ErrCursorLost means that the event at the cursor does not exist: the database was
	// restored to a state without it, or a standby without it was promoted.
	ErrCursorLost = errors.New("events: event at the cursor is lost")
	// ErrBacklog means that so many events have no position yet that one call cannot number
	// them all. The next call continues.
	ErrBacklog = errors.New("events: too many events without a position")
	// ErrUnavailable means that the database is unavailable.
	ErrUnavailable = db.ErrUnavailable
)

// Event is a change in an account, as clients see it. Fields that do not apply are zero.
type Event struct {
	ID       ID
	Position int64  // from 1 without gaps in an account's feed; 0 if the event has none yet
	Type     string // such as org.created

	// What the event is about.
	OrgID     uuid.UUID
	UserID    string
	APIKeyID  uuid.UUID
	WebhookID uuid.UUID

	OccurredAt    time.Time
	ActorAPIKeyID uuid.UUID // zero if an operator made the change
	ActorUserID   string
	RequestID     string

	// JSON objects of the fields that changed, named as in the API.
	Before, After string

	// Row is the row's id, which increases with every event of any account. Clients do not
	// see it, because it would reveal how active other accounts are.
	Row int64
}

// ID identifies an event. Two events have different ids, even if one of them was written
// after the database was restored to a state without the other.
type ID [16]byte

// String returns the form that clients see.
func (id ID) String() string { return "evt_" + hex.EncodeToString(id[:]) }

// newID derives the id from the values of a row that never change. It is a digest, so it
// does not reveal the row's id.
func newID(accountID uuid.UUID, row int64, occurredAt time.Time) ID {
	b := append(make([]byte, 0, 64), "orgd event\x00"...)
	b = append(b, accountID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(row))
	b = binary.BigEndian.AppendUint64(b, uint64(occurredAt.UnixMicro()))
	digest := sha256.Sum256(b)
	return ID(digest[:len(ID{})])
}

// eventColumns are the columns that scanEvent reads.
const eventColumns = `id, position, type, org_id, user_id, api_key_id, webhook_id, occurred_at, ` +
	`actor_api_key_id, actor_user_id, request_id, before, after`

// scanEvent returns the function that reads eventColumns of an account's row.
func scanEvent(accountID uuid.UUID) pgx.RowToFunc[Event] {
	return func(row pgx.CollectableRow) (e Event, err error) {
		var position *int64
		var orgID, keyID, webhookID, actorKeyID *uuid.UUID
		var userID, actorUserID *string
		err = row.Scan(&e.Row, &position, &e.Type, &orgID, &userID, &keyID, &webhookID, &e.OccurredAt,
			&actorKeyID, &actorUserID, &e.RequestID, &e.Before, &e.After)
		e.Position = db.OrZero(position)
		e.OrgID, e.UserID, e.APIKeyID, e.WebhookID = db.OrZero(orgID), db.OrZero(userID), db.OrZero(keyID), db.OrZero(webhookID)
		e.ActorAPIKeyID, e.ActorUserID = db.OrZero(actorKeyID), db.OrZero(actorUserID)
		e.ID = newID(accountID, e.Row, e.OccurredAt)
		return e, err
	}
}

// encodedSize returns an upper bound for the size of the event in JSON, in bytes. Escaping
// turns one byte into at most six. Before and After are written unchanged.
func (e *Event) encodedSize() int {
	const (
		names  = 500 // the names of the fields, and the values of a fixed size
		escape = 6
	)
	return names + len(e.Type) + len(e.RequestID) + escape*(len(e.UserID)+len(e.ActorUserID)) + len(e.Before) + len(e.After)
}

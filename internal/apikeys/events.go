package apikeys

import (
	"context"
	"encoding/json"
	"time"

	"orgd/internal/db"
)

// apiKeyEvent runs in the account's turn, so the ids of a key's events are in the order of
// its changes. $9 is NULL for the time of the statement.
const apiKeyEvent = `
INSERT INTO events (account_id, type, api_key_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, statement_timestamp()))`

// The types of events about keys.
const (
	eventCreated = "api_key.created"
	eventUpdated = "api_key.updated"
	eventRotated = "api_key.rotated"
	eventRevoked = "api_key.revoked"
)

// writeEvent records a change of a key in the transaction of the change. from is zero for
// a new key, whose event has the time CreatedAt. An update that changes nothing is not
// recorded.
func (c Call) writeEvent(ctx context.Context, q db.Querier, kind string, from, to APIKey) error {
	before, after, err := differences(from, to)
	if err != nil {
		return err
	}
	if kind == eventUpdated && string(before) == string(after) { // both are empty
		return nil
	}
	var at time.Time // zero for the time of the statement
	if kind == eventCreated {
		at = to.CreatedAt
	}
	_, err = q.Exec(ctx, apiKeyEvent, c.AccountID, kind, to.ID, string(before), string(after),
		db.OrNull(c.KeyID), db.OrNull(c.UserID), c.RequestID, db.OrNull(at))
	return err
}

// differences returns the fields in which two records differ, as JSON under their names
// in the API. A field that had or has no value is null. For a new key, before is empty,
// and after omits fields without a value.
func differences(from, to APIKey) (before, after []byte, err error) {
	was, err := eventFields(from)
	if err != nil {
		return nil, nil, err
	}
	is, err := eventFields(to)
	if err != nil {
		return nil, nil, err
	}
	for name, value := range is {
		if string(was[name]) == string(value) {
			delete(was, name)
			delete(is, name)
		}
	}
	if from.ID == to.ID {
		addMissing(is, was)
		addMissing(was, is)
	}
	if before, err = json.Marshal(was); err != nil {
		return nil, nil, err
	}
	after, err = json.Marshal(is)
	return before, after, err
}

// addMissing adds a null for each field that only the other record has.
func addMissing(fields, other map[string]json.RawMessage) {
	for name := range other {
		if _, ok := fields[name]; !ok {
			fields[name] = json.RawMessage("null")
		}
	}
}

// eventFields returns the fields that a caller can set or that can change, except those
// without a value.
func eventFields(k APIKey) (fields map[string]json.RawMessage, err error) {
	text, err := json.Marshal(struct {
		Description string    `json:"description,omitzero"`
		Hint        string    `json:"hint,omitzero"`
		Scopes      []Scope   `json:"scopes,omitempty"`
		RateLimit   *int32    `json:"rateLimit,omitzero"`
		ExpiresAt   eventTime `json:"expiresAt,omitzero"`
		RevokedAt   eventTime `json:"revokedAt,omitzero"`
	}{k.Description, k.Hint, k.Scopes, k.RateLimit, eventTime(k.ExpiresAt), eventTime(k.RevokedAt)})
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &fields)
	return fields, err
}

// eventTime is a time in the API's format, like wire.Time. This package cannot import
// internal/wire, because internal/wire imports it.
type eventTime time.Time

// IsZero makes omitzero compare the time, not its location.
func (t eventTime) IsZero() bool { return time.Time(t).IsZero() }

func (t eventTime) MarshalText() ([]byte, error) {
	format := "2006-01-02T15:04:05.000000Z"
	if time.Time(t).Nanosecond() == 0 {
		format = "2006-01-02T15:04:05Z"
	}
	return time.Time(t).UTC().AppendFormat(nil, format), nil
}

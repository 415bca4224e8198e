package apikeys

import (
	"context"
	"encoding/json"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// The types of the events of keys.
const (
	eventCreated = "api_key.created"
	eventUpdated = "api_key.updated"
	eventRotated = "api_key.rotated"
	eventRevoked = "api_key.revoked"
)

// writeEvent records a change of a key from one record to another, in the transaction of the
// change. The old record of a new key is the zero one. An update that changes nothing is
// not recorded.
func (c Call) writeEvent(ctx context.Context, q db.Querier, kind string, from, to APIKey) error {
	before, after, err := differences(from, to)
	if err != nil {
		return err
	}
	if kind == eventUpdated && string(before) == string(after) { // both are empty
		return nil
	}
	_, err = q.Exec(ctx, apiKeyEvent, c.AccountID, kind, to.ID, string(before), string(after), orNull(c.KeyID), c.UserID, c.RequestID)
	return err
}

// differences returns the fields in which two records differ, as JSON under their names in
// the API. A field without a value is left out, as in the API.
func differences(from, to APIKey) (before, after []byte, err error) {
	was, is := eventFields(from), eventFields(to)
	for name, value := range is {
		if string(was[name]) == string(value) {
			delete(was, name)
			delete(is, name)
		}
	}
	if before, err = json.Marshal(was); err != nil {
		return nil, nil, err
	}
	after, err = json.Marshal(is)
	return before, after, err
}

// eventFields returns the fields of a key that can change or be given, except those without
// a value.
func eventFields(k APIKey) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	set := func(name string, isSet bool, value any) {
		if isSet {
			text, err := json.Marshal(value)
			if err != nil {
				panic(err) // these types cannot fail
			}
			fields[name] = text
		}
	}
	set("description", k.Description != "", k.Description)
	set("scopes", len(k.Scopes) > 0, k.Scopes)
	set("rateLimit", k.RateLimit != nil, k.RateLimit)
	set("expiresAt", !k.ExpiresAt.IsZero(), eventTime(k.ExpiresAt))
	set("revokedAt", !k.RevokedAt.IsZero(), eventTime(k.RevokedAt))
	return fields
}

// eventTime formats a time as the API does.
func eventTime(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == (uuid.UUID{}) {
		return nil
	}
	return &id
}

package http

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/wire"
)

// descriptionField reads the description of a key and trims the white space around it.
func descriptionField(into *string) field {
	return lineField("description", apikeys.ValidDescription, into)
}

// scopesField reads the list of a key's scopes and rejects duplicates.
func scopesField(into *[]apikeys.Scope) field {
	return field{name: "scopes", read: func(raw json.RawMessage) []fieldError {
		var values []*string // a null in the array becomes nil
		if err := json.Unmarshal(raw, &values); err != nil || values == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be an array of strings."}}
		}
		if len(values) == 0 {
			return []fieldError{{Code: fieldRequired, Detail: "Must contain at least one scope."}}
		}
		var bad []fieldError
		for i, value := range values[:min(len(values), len(apikeys.Scopes)+1)] {
			if err := addScope(into, value); err != nil {
				err.Field = "." + strconv.Itoa(i)
				bad = append(bad, *err)
			}
		}
		return bad
	}}
}

func addScope(into *[]apikeys.Scope, value *string) *fieldError {
	if value == nil {
		return &fieldError{Code: fieldWrongType, Detail: "Must be a string."}
	}
	scope := apikeys.Scope(*value)
	switch {
	case !slices.Contains(apikeys.Scopes, scope):
		return &fieldError{Code: fieldInvalid, Detail: "Must be one of orgs:read, orgs:write, orgs:delete, orgs:import, members:write, users:erase, keys:manage, events:read, webhooks:manage or act-as-user."}
	case slices.Contains(*into, scope):
		return &fieldError{Code: fieldRepeated, Detail: "Duplicate scope. List each scope once."}
	}
	*into = append(*into, scope)
	return nil
}

// latestExpiry is the first time that is too late for an expiry, because years in RFC
// 3339 have four digits.
var latestExpiry = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// expiryField reads when a key expires, truncated to microseconds. The database's clock
// decides later whether this time is in the future.
func expiryField(into *apikeys.Expiry) field {
	return textField("expiresAt", func(value string) *fieldError {
		t, ok := wire.ParseTime(value)
		if !ok {
			return &fieldError{Code: fieldInvalid, Detail: "Must be an RFC 3339 time such as 2027-01-31T00:00:00Z."}
		}
		if t.Before(time.Unix(0, 0)) || !t.Before(latestExpiry) {
			return &fieldError{Code: fieldOutOfRange, Detail: expiryPast}
		}
		*into = apikeys.ExpiresAt(t.UTC().Truncate(time.Microsecond))
		return nil
	})
}

const expiryPast = "Must be in the future and before the year 9999."

// clearableExpiryField also accepts null, for a key that never expires.
func clearableExpiryField(into *apikeys.Expiry) field {
	return clearable(into, apikeys.Expiry{}, expiryField)
}

// overlapField reads how long a rotated key stays valid, in whole seconds.
func overlapField(into *time.Duration) field {
	return secondsField("overlapSeconds", apikeys.MaxOverlap, into)
}

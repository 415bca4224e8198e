package http

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// newOrgFields are the fields of an organization to create, including those that need the
// scope orgs:import.
func newOrgFields(n *orgs.NewOrg) []field {
	return append(importFields(&n.Import), nameField(&n.Name).must(), metadataField(&n.Metadata), externalIDField(&n.ExternalID))
}

// importFields returns the fields that need the scope orgs:import. They leave *into nil if
// the body has none of them.
func importFields(into **orgs.Import) []field {
	var i orgs.Import
	fields := []field{newOrgIDField(&i.OrgID), createdAtField(&i.CreatedAt), isActiveField(&i.Inactive), creatorField(&i.CreatedByUserID)}
	for n, f := range fields {
		fields[n].read = func(raw json.RawMessage) []fieldError {
			*into = &i
			return f.read(raw)
		}
	}
	return fields
}

// checkImport returns an error if an organization has fields that the caller's key does not
// allow.
func checkImport(c echo.Context, all ...orgs.NewOrg) error {
	if callerOf(c).Has(apikeys.OrgsImport) {
		return nil
	}
	for _, n := range all {
		if n.Import != nil {
			e := missingScope(apikeys.OrgsImport)
			e.detail = "The fields orgId, createdAt, isActive and createdByUserId need the scope orgs:import. Use a key that has it, or leave them out."
			return e
		}
	}
	return nil
}

func newOrgIDField(into *uuid.UUID) field {
	return textField("orgId", func(value string) *fieldError {
		id, ok := wire.ParseOrgID(value)
		if !ok || id == (uuid.UUID{}) {
			return &fieldError{Code: fieldInvalid, Detail: "Must be org_ followed by 32 lower-case hexadecimal digits that are not all 0."}
		}
		*into = id
		return nil
	})
}

// clockTolerance is how much the clocks of the server and the database may differ.
const clockTolerance = time.Minute

// createdAtField reads when an organization was created, truncated to microseconds. The
// database's clock decides later whether this time is in the future. The check here reports
// most mistakes together with those in other fields.
func createdAtField(into *time.Time) field {
	return textField("createdAt", func(value string) *fieldError {
		t, ok := wire.ParseTime(value)
		if !ok {
			return &fieldError{Code: fieldInvalid, Detail: "Must be an RFC 3339 time such as 2024-01-31T00:00:00Z."}
		}
		if t.Before(time.Unix(0, 0)) || time.Until(t) > clockTolerance {
			return &fieldError{Code: fieldOutOfRange, Detail: createdAtRange}
		}
		*into = t.UTC().Truncate(time.Microsecond)
		return nil
	})
}

const createdAtRange = "Must not be in the future or before 1970."

// isActiveField reads whether an organization is active.
func isActiveField(inactive *bool) field {
	return field{name: "isActive", read: func(raw json.RawMessage) []fieldError {
		var active *bool // null leaves it nil
		if err := json.Unmarshal(raw, &active); err != nil || active == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be true or false."}}
		}
		*inactive = !*active
		return nil
	}}
}

// creatorField reads the user who created an organization.
func creatorField(into *string) field {
	return textField("createdByUserId", func(value string) *fieldError {
		*into = value
		return textFault(orgs.ValidUserID(value))
	})
}

// futureError converts an orgs.ErrFuture to an error of the field createdAt. It returns
// other errors unchanged.
func futureError(err error) error {
	if !errors.Is(err, orgs.ErrFuture) {
		return err
	}
	return invalidFields(codeInvalidField, []fieldError{{Field: "createdAt", Code: fieldOutOfRange, Detail: createdAtRange}}).withCause(err)
}

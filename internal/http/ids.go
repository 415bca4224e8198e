package http

import (
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// parseOrgID reads an organization's id. It accepts only the form that answers use.
func parseOrgID(s string) (uuid.UUID, bool) { return parseID("org_", s) }

func formatOrgID(id uuid.UUID) string { return "org_" + hex.EncodeToString(id[:]) }

// parseID accepts only lower case: an id with a single form can be compared and cached
// as text.
func parseID(prefix, s string) (uuid.UUID, bool) {
	var id uuid.UUID
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*len(id) || strings.Trim(digits, hexDigits) != "" {
		return uuid.UUID{}, false
	}
	_, err := hex.Decode(id[:], []byte(digits))
	return id, err == nil
}

// pathOrgID returns the id in the path. A malformed id is not found, like any unknown
// id.
func pathOrgID(c echo.Context) (uuid.UUID, error) {
	id, ok := parseOrgID(c.Param("orgId"))
	if !ok {
		return uuid.UUID{}, orgs.ErrNotFound
	}
	return id, nil
}

// pathExternalID returns the external id in the path.
func pathExternalID(c echo.Context) (string, error) {
	return pathText(c, "externalId", orgs.ValidExternalID)
}

// pathUserID returns the user's id in the path.
func pathUserID(c echo.Context) (string, error) { return pathText(c, "userId", orgs.ValidUserID) }

// pathText returns an id in the path, which may be percent-encoded. It follows the rule of
// the field with this name.
func pathText(c echo.Context, name string, valid func(string) error) (string, error) {
	id := c.Param(name)
	if strings.Contains(id, "/") { // a last parameter has the rest of the path, and only %2F is part of an id
		return "", echo.ErrNotFound
	}
	if c.Request().URL.RawPath != "" { // otherwise Echo has matched the decoded path
		var err error
		if id, err = url.PathUnescape(id); err != nil {
			return "", err
		}
	}
	if err := textFault(valid(id)); err != nil {
		err.Field = name
		return "", invalidFields(codeInvalidField, []fieldError{*err})
	}
	return id, nil
}

// pathAPIKeyID returns the id in the path. It accepts only the form that answers use;
// any other id is not found.
func pathAPIKeyID(c echo.Context) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("apiKeyId"))
	if err != nil || id.String() != c.Param("apiKeyId") {
		return uuid.UUID{}, apikeys.ErrNotFound
	}
	return id, nil
}

package http

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
	"orgd/internal/wire"
)

// pathOrgID returns the organization's id in the path. A malformed id gets the same error
// as an unknown one.
func pathOrgID(c echo.Context) (uuid.UUID, error) {
	id, ok := wire.ParseOrgID(c.Param("orgId"))
	if !ok {
		return uuid.UUID{}, orgs.ErrNotFound
	}
	return id, nil
}

func pathExternalID(c echo.Context) (string, error) {
	return pathText(c, "externalId", orgs.ValidExternalID)
}

func pathUserID(c echo.Context) (string, error) { return pathText(c, "userId", orgs.ValidUserID) }

// pathText returns the decoded value of the path parameter name, if it is valid.
func pathText(c echo.Context, name string, valid func(string) error) (string, error) {
	id := c.Param(name)
	if strings.Contains(id, "/") { // Echo's last parameter is the rest of the path; a slash within an id is %2F
		return "", echo.ErrNotFound
	}
	if c.Request().URL.RawPath != "" { // otherwise Echo matched the decoded path, and id is already decoded
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

// pathWebhookID returns the webhook's id in the path. A malformed id gets the same error
// as an unknown one.
func pathWebhookID(c echo.Context) (uuid.UUID, error) {
	id, ok := wire.ParseID("wh_", c.Param("webhookId"))
	if !ok {
		return uuid.UUID{}, webhooks.ErrNotFound
	}
	return id, nil
}

// pathAPIKeyID returns the API key's id in the path. It accepts only the form that
// responses use. Any other id gets the same error as an unknown one.
func pathAPIKeyID(c echo.Context) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("apiKeyId"))
	if err != nil || id.String() != c.Param("apiKeyId") {
		return uuid.UUID{}, apikeys.ErrNotFound
	}
	return id, nil
}

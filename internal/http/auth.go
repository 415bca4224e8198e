package http

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
)

const (
	callerKey = "caller"
	realm     = `Bearer realm="orgd"`
	// actingUserHeader names the person on whose behalf the client acts, such as the user
	// of a dashboard.
	actingUserHeader = "Orgd-User"
)

// authenticate lets a request pass if its key is valid, has the scope (unless it is anyScope)
// and is within its rate limit. It rejects other keys as RFC 6750 section 3 requires.
func (s *Server) authenticate(scope apikeys.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			token, err := bearerToken(c.Request().Header)
			if err != nil {
				return s.countFailure(c, err)
			}
			principal, err := s.cfg.Auth.Authenticate(c.Request().Context(), token)
			if errors.Is(err, apikeys.ErrInvalidKey) {
				return s.countFailure(c, invalidKey())
			}
			if err != nil {
				return err
			}
			c.Set(callerKey, caller{Principal: principal})
			held := s.limits.callers.of(principal)
			if err := s.limitRate(c.Response().Header(), principal, held); err != nil {
				return err
			}
			if scope != anyScope && !principal.Has(scope) {
				return missingScope(scope)
			}
			user, err := actingUser(c.Request().Header, principal)
			if err != nil {
				return err
			}
			c.Set(callerKey, caller{Principal: principal, userID: user, buckets: held})
			return next(c)
		}
	}
}

func invalidKey() *apiError {
	return newError(codeInvalidAPIKey, "The API key is unknown, expired or revoked, or its account is suspended. Send a valid key.").
		challenge(realm + `, error="invalid_token"`)
}

func missingScope(scope apikeys.Scope) *apiError {
	return newError(codeInsufficientScope, "This call needs the scope "+string(scope)+". Use a key that has it.").
		challenge(realm + `, error="insufficient_scope", scope="` + string(scope) + `"`)
}

// bearerToken returns the API key from the Authorization header, which must be present
// exactly once. The scheme is case-insensitive (RFC 9110 section 11.1).
func bearerToken(h http.Header) (string, error) {
	headers := h.Values(echo.HeaderAuthorization)
	if len(headers) > 1 {
		return "", malformedAuthorization("The request has more than one Authorization header. Send one.")
	}
	scheme, token := "", ""
	if len(headers) == 1 {
		scheme, token, _ = strings.Cut(headers[0], " ")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", newError(codeMissingCredentials, "The request has no Bearer credentials. Send the header Authorization: Bearer <API key>.").
			challenge(realm)
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.ContainsAny(token, " \t") {
		return "", malformedAuthorization("The Authorization header is malformed. Send exactly one API key after Bearer.")
	}
	return token, nil
}

func malformedAuthorization(detail string) error {
	return newError(codeInvalidAuthorization, detail).challenge(realm + `, error="invalid_request"`)
}

// actingUser returns the user id in the header Orgd-User, or "" if the header is missing.
// In the header, % and all characters other than printable ASCII are percent-encoded.
func actingUser(h http.Header, p apikeys.Principal) (string, error) {
	values := h.Values(actingUserHeader)
	if len(values) == 0 {
		return "", nil
	}
	if !p.Has(apikeys.ActAsUser) {
		return "", missingScope(apikeys.ActAsUser)
	}
	if len(values) > 1 {
		return "", newError(codeInvalidRequest, "The request has more than one Orgd-User header. Send one.")
	}
	user, err := url.PathUnescape(values[0])
	if err != nil || !isPrintable(values[0]) || orgs.ValidUserID(user) != nil {
		return "", newError(codeInvalidRequest, "Orgd-User must be a user id of 1 to 255 characters that has no control characters and does not begin or end with white space. "+
			"Percent-encode % and all characters that are not printable ASCII.")
	}
	return user, nil
}

// caller is the client of an authenticated request.
type caller struct {
	apikeys.Principal
	userID  string // of the person on whose behalf the client acts; empty for none
	buckets buckets
}

// knownCaller returns the caller, or false if the request had no valid key.
func knownCaller(c echo.Context) (caller, bool) {
	who, ok := c.Get(callerKey).(caller)
	return who, ok
}

// callerOf returns the caller of an authenticated request. It panics on a route without
// authentication.
func callerOf(c echo.Context) caller {
	return c.Get(callerKey).(caller)
}

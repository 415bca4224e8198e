package http

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/uuid"
)

const (
	callerKey = "caller"
	realm     = `Bearer realm="orgd"`
	// actingUserHeader names the person for whom a dashboard's back end acts.
	actingUserHeader = "Orgd-User"
)

// authenticate lets a request pass if its key has the scope, and rejects others as RFC
// 6750 section 3 requires.
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
			if !principal.Has(scope) {
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
	return newError(codeInvalidAPIKey, "The API key is unknown, expired or revoked. Send a valid key.").
		challenge(realm + `, error="invalid_token"`)
}

func missingScope(scope apikeys.Scope) *apiError {
	return newError(codeInsufficientScope, "This call needs the scope "+string(scope)+". Use a key that has it.").
		challenge(realm + `, error="insufficient_scope", scope="` + string(scope) + `"`)
}

// bearerToken returns the API key from the Authorization header, which must be given
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

// actingUser returns the person that the request names, or the zero id.
func actingUser(h http.Header, p apikeys.Principal) (uuid.UUID, error) {
	values := h.Values(actingUserHeader)
	if len(values) == 0 {
		return uuid.UUID{}, nil
	}
	if !p.Has(apikeys.ActAsUser) {
		return uuid.UUID{}, missingScope(apikeys.ActAsUser)
	}
	user, ok := parseUserID(values[0])
	if len(values) > 1 || !ok || user == (uuid.UUID{}) {
		return uuid.UUID{}, newError(codeInvalidRequest, "Orgd-User must be one user id: usr_ and 32 lower-case hexadecimal digits, not all zero.")
	}
	return user, nil
}

// caller is the client of an authenticated request.
type caller struct {
	apikeys.Principal
	userID  uuid.UUID // the person acting; zero if none is named
	buckets buckets
}

// knownCaller returns the caller, if the request's key was valid.
func knownCaller(c echo.Context) (caller, bool) {
	who, ok := c.Get(callerKey).(caller)
	return who, ok
}

// callerOf returns the caller of an authenticated request. It panics on a route without
// authentication.
func callerOf(c echo.Context) caller {
	return c.Get(callerKey).(caller)
}

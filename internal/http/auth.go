package http

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

const (
	principalKey = "principal"
	realm        = `Bearer realm="orgd"`
	// actingUserHeader names the person for whom a dashboard's back end acts.
	actingUserHeader = "Orgd-User"
)

// authenticate lets a request pass whose key carries the scope, and refuses the
// others as RFC 6750 section 3 says.
func (s *Server) authenticate(scope apikeys.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			token, err := bearerToken(c.Request().Header)
			if err != nil {
				return err
			}
			principal, err := s.cfg.Keys.Authenticate(c.Request().Context(), token)
			if errors.Is(err, apikeys.ErrInvalidKey) {
				return newError(codeInvalidAPIKey, "Send a key that exists and is neither expired nor revoked.").
					challenge(realm + `, error="invalid_token"`)
			}
			if err != nil {
				return err
			}
			c.Set(principalKey, principal)
			if !principal.Has(scope) {
				return lacking(scope)
			}
			if len(c.Request().Header.Values(actingUserHeader)) > 0 && !principal.Has(apikeys.ActAsUser) {
				return lacking(apikeys.ActAsUser)
			}
			return next(c)
		}
	}
}

func lacking(scope apikeys.Scope) error {
	return newError(codeInsufficientScope, "Use a key with the scope "+string(scope)+".").
		challenge(realm + `, error="insufficient_scope", scope="` + string(scope) + `"`)
}

// bearerToken returns the credentials of the one Authorization header that a
// request must have. The scheme is matched in any case (RFC 9110 section 11.1).
func bearerToken(h http.Header) (string, error) {
	headers := h.Values(echo.HeaderAuthorization)
	if len(headers) > 1 {
		return "", malformedAuthorization("Send one Authorization header, not several.")
	}
	scheme, token := "", ""
	if len(headers) == 1 {
		scheme, token, _ = strings.Cut(headers[0], " ")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", newError(codeMissingCredentials, "Send the header Authorization: Bearer, followed by an API key.").
			challenge(realm)
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.ContainsAny(token, " \t") {
		return "", malformedAuthorization("Send exactly one API key after Bearer.")
	}
	return token, nil
}

func malformedAuthorization(detail string) error {
	return newError(codeInvalidAuthorization, detail).challenge(realm + `, error="invalid_request"`)
}

// principalOf returns who the request speaks for, if its key was good.
func principalOf(c echo.Context) (apikeys.Principal, bool) {
	p, ok := c.Get(principalKey).(apikeys.Principal)
	return p, ok
}

// tenant returns the account of an authenticated request. A route without
// authentication that asks for one is a defect, and panics.
func tenant(c echo.Context) apikeys.Principal {
	return c.Get(principalKey).(apikeys.Principal)
}

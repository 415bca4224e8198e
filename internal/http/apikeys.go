package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/text"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// defaultOverlap is how long a rotated key stays valid by default.
const defaultOverlap = 24 * time.Hour

func (s *Server) listAPIKeys(c echo.Context) error {
	limit, cursor, err := pageParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Keys.List(c.Request().Context(), callerOf(c).AccountID, apikeys.ListParams{Limit: limit, Cursor: cursor})
	if err != nil {
		return err
	}
	s.beginPage(c, len(page.APIKeys), links{next: page.Cursor})
	body, err := text.MarshalJSON(wire.NewAPIKeyPage(page))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

func (s *Server) createAPIKey(c echo.Context) error {
	var n apikeys.NewAPIKey
	call, err := readKeyCall(c, true, descriptionField(&n.Description).must(), scopesField(&n.Scopes).must(), expiryField(&n.Expiry))
	if err != nil {
		return err
	}
	created, err := s.cfg.Keys.Create(c.Request().Context(), call, n)
	return s.writeNewAPIKey(c, created, err)
}

func (s *Server) getAPIKey(c echo.Context) error {
	return getObject(c, pathAPIKeyID, s.cfg.Keys.Get, wire.NewAPIKey)
}

// getCurrentAPIKey returns the caller's own key.
func (s *Server) getCurrentAPIKey(c echo.Context) error {
	ownID := func(c echo.Context) (uuid.UUID, error) { return callerOf(c).KeyID, nil }
	err := getObject(c, ownID, s.cfg.Keys.Get, wire.NewAPIKey)
	if errors.Is(err, apikeys.ErrNotFound) { // the account was deleted a moment ago
		return invalidKey().withCause(err)
	}
	return err
}

func (s *Server) updateAPIKey(c echo.Context) error {
	var changes apikeys.Changes
	update := func(ctx context.Context, call apikeys.Call, id uuid.UUID) (apikeys.Changed, error) {
		return s.cfg.Keys.Update(ctx, call, id, changes)
	}
	return s.changeAPIKey(c, update, optional(&changes.Description, descriptionField), optional(&changes.Expiry, clearableExpiryField))
}

func (s *Server) revokeAPIKey(c echo.Context) error {
	return s.changeAPIKey(c, s.cfg.Keys.Revoke)
}

func (s *Server) rotateAPIKey(c echo.Context) error {
	id, err := pathAPIKeyID(c)
	if err != nil {
		return err
	}
	overlap := defaultOverlap
	call, err := readKeyCall(c, false, overlapField(&overlap))
	if err != nil {
		return err
	}
	created, err := s.cfg.Keys.Rotate(c.Request().Context(), call, id, overlap)
	return s.writeNewAPIKey(c, created, err)
}

type changeKey func(context.Context, apikeys.Call, uuid.UUID) (apikeys.Changed, error)

func (s *Server) changeAPIKey(c echo.Context, change changeKey, fields ...field) error {
	id, err := pathAPIKeyID(c)
	if err != nil {
		return err
	}
	call, err := readKeyCall(c, len(fields) > 0, fields...)
	if err != nil {
		return err
	}
	changed, err := change(c.Request().Context(), call, id)
	markReplay(c, changed.Replayed)
	if err != nil {
		return keyChangeError(err)
	}
	return writeAPIKey(c, http.StatusOK, wire.NewAPIKey(changed.APIKey))
}

// writeNewAPIKey writes the object of a new key. The response to a repeat does not
// contain the key itself, which is not stored.
func (s *Server) writeNewAPIKey(c echo.Context, created apikeys.Changed, err error) error {
	markReplay(c, created.Replayed)
	if err != nil {
		return keyChangeError(err)
	}
	object := wire.NewAPIKey(created.APIKey)
	if !created.Replayed {
		object.Key = created.Key.Reveal()
	}
	c.Response().Header().Set(echo.HeaderLocation, s.cfg.PublicURL+"/v1/api-keys/"+object.APIKeyID)
	return writeAPIKey(c, http.StatusCreated, object)
}

// keyChangeError converts an error from a key change. Each change checks the caller's key
// again, because that key may have changed since the request arrived, and compares an
// expiry with the database's clock.
func keyChangeError(err error) error {
	var lacks apikeys.LacksScopeError
	switch {
	case errors.As(err, &lacks):
		return missingScope(lacks.Scope).withCause(err)
	case errors.Is(err, apikeys.ErrInvalidKey): // the caller's key ended during the call
		return invalidKey().withCause(err)
	case errors.Is(err, apikeys.ErrExpiryPast):
		return invalidFields(codeInvalidField, []fieldError{{Field: "expiresAt", Code: fieldOutOfRange, Detail: expiryPast}}).withCause(err)
	}
	return err
}

func writeAPIKey(c echo.Context, status int, object wire.APIKey) error {
	body, err := text.MarshalJSON(object)
	if err != nil {
		return err
	}
	return writeJSON(c, status, body)
}

// readKeyCall is readCall for a key change.
func readKeyCall(c echo.Context, bodyRequired bool, fields ...field) (apikeys.Call, error) {
	call, err := readCall(c, bodyRequired, fields...)
	return apikeys.Call{Call: call}, err
}

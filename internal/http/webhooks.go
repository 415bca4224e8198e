package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/idempotency"
	"orgd/internal/text"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

// testTimeout is the time limit of a test message. It leaves the handler 2 s of
// requestDeadline.
const testTimeout = 8 * time.Second

func (s *Server) listWebhooks(c echo.Context) error {
	limit, cursor, err := pageParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Webhooks.List(c.Request().Context(), callerOf(c).AccountID, webhooks.ListParams{Limit: limit, Cursor: cursor})
	if err != nil {
		return err
	}
	s.beginPage(c, len(page.Webhooks), links{next: page.Cursor})
	body, err := text.MarshalJSON(newWebhookPage(page))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

func (s *Server) createWebhook(c echo.Context) error {
	var n webhooks.NewWebhook
	call, err := readCall(c, true, s.urlField(&n.URL).must(), webhookDescriptionField(&n.Description).must(), typesField(&n.Types))
	if err != nil {
		return err
	}
	created, err := s.cfg.Webhooks.Create(c.Request().Context(), call, n)
	if err == nil {
		c.Response().Header().Set(echo.HeaderLocation, s.cfg.PublicURL+"/v1/webhooks/"+webhooks.FormatID(created.Webhook.ID))
	}
	return writeChangedWebhook(c, http.StatusCreated, created, err)
}

func (s *Server) getWebhook(c echo.Context) error {
	return getObject(c, pathWebhookID, s.cfg.Webhooks.Get, newWebhook)
}

func (s *Server) updateWebhook(c echo.Context) error {
	var changes webhooks.Changes
	update := func(ctx context.Context, call idempotency.Call, id uuid.UUID) (webhooks.Changed, error) {
		return s.cfg.Webhooks.Update(ctx, call, id, changes)
	}
	return changeWebhook(c, update, true, optional(&changes.URL, s.urlField), optional(&changes.Description, webhookDescriptionField), optional(&changes.Types, clearableTypesField))
}

func (s *Server) deleteWebhook(c echo.Context) error {
	id, err := pathWebhookID(c)
	if err != nil {
		return err
	}
	call, err := readCall(c, false)
	if err != nil {
		return err
	}
	if err := s.cfg.Webhooks.Delete(c.Request().Context(), call, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) rotateWebhookSecret(c echo.Context) error {
	overlap := defaultOverlap
	rotate := func(ctx context.Context, call idempotency.Call, id uuid.UUID) (webhooks.Changed, error) {
		return s.cfg.Webhooks.RotateSecret(ctx, call, id, overlap)
	}
	return changeWebhook(c, rotate, false, secondsField("overlapSeconds", webhooks.MaxOverlap, &overlap))
}

func (s *Server) enableWebhook(c echo.Context) error {
	return changeWebhook(c, s.cfg.Webhooks.Enable, false)
}

func (s *Server) disableWebhook(c echo.Context) error {
	return changeWebhook(c, s.cfg.Webhooks.Disable, false)
}

func (s *Server) replayWebhook(c echo.Context) error {
	var position int64
	replay := func(ctx context.Context, call idempotency.Call, id uuid.UUID) (webhooks.Changed, error) {
		changed, err := s.cfg.Webhooks.Replay(ctx, call, id, position)
		if errors.Is(err, webhooks.ErrPositionAhead) {
			err = invalidFields(codeInvalidField, []fieldError{{Field: "fromPosition", Code: fieldOutOfRange, Detail: positionAhead}}).withCause(err)
		}
		return changed, err
	}
	return changeWebhook(c, replay, true, positionField(&position).must())
}

type changeOfWebhook func(context.Context, idempotency.Call, uuid.UUID) (webhooks.Changed, error)

func changeWebhook(c echo.Context, change changeOfWebhook, bodyRequired bool, fields ...field) error {
	id, err := pathWebhookID(c)
	if err != nil {
		return err
	}
	call, err := readCall(c, bodyRequired, fields...)
	if err != nil {
		return err
	}
	changed, err := change(c.Request().Context(), call, id)
	return writeChangedWebhook(c, http.StatusOK, changed, err)
}

// testWebhook sends a test message and returns the attempt. The status is 200, whatever
// the endpoint answers.
func (s *Server) testWebhook(c echo.Context) error {
	id, err := pathWebhookID(c)
	if err != nil {
		return err
	}
	call, err := readCall(c, false)
	if err != nil {
		return err
	}
	attempt, err := s.cfg.Webhooks.Test(c.Request().Context(), call, id, testTimeout)
	if err != nil {
		return err
	}
	body, err := text.MarshalJSON(newAttempt(attempt))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

func (s *Server) listAttempts(c echo.Context) error {
	return getObject(c, pathWebhookID, s.cfg.Webhooks.Attempts, newAttemptList)
}

// writeChangedWebhook writes the endpoint that a change returns. The response to a repeat
// does not contain the secret.
func writeChangedWebhook(c echo.Context, status int, changed webhooks.Changed, err error) error {
	markReplay(c, changed.Replayed)
	if err != nil {
		return err
	}
	object := newWebhook(changed.Webhook)
	if changed.Secret != nil {
		object.Secret = changed.Secret.Reveal()
	}
	body, err := text.MarshalJSON(object)
	if err != nil {
		return err
	}
	return writeJSON(c, status, body)
}

package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/events"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

func (s *Server) listOrgEvents(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	return s.listEventsAbout(c, id, s.cfg.Events.ListOfOrg, orgs.ErrNotFound)
}

func (s *Server) listAPIKeyEvents(c echo.Context) error {
	id, err := pathAPIKeyID(c)
	if err != nil {
		return err
	}
	return s.listEventsAbout(c, id, s.cfg.Events.ListOfAPIKey, apikeys.ErrNotFound)
}

type listEvents func(ctx context.Context, accountID, id uuid.UUID, p events.ListParams) (events.ListPage, error)

func (s *Server) listEventsAbout(c echo.Context, id uuid.UUID, list listEvents, notFound error) error {
	limit, cursor, err := pageParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := list(c.Request().Context(), callerOf(c).AccountID, id, events.ListParams{Limit: limit, Cursor: cursor})
	switch {
	case errors.Is(err, events.ErrNotFound):
		return notFound
	case errors.Is(err, events.ErrInvalidCursor):
		return newError(codeInvalidCursor, invalidPageCursor).withCause(err)
	case err != nil:
		return err
	}
	s.beginPage(c, len(page.Events), links{next: page.Cursor})
	body := bodies.get(page.Bytes + pageFrame)
	defer bodies.put(body)
	*body = appendEventList(*body, page)
	return writeJSON(c, http.StatusOK, *body)
}

// appendEventList appends the JSON object of a page of the events about an organization
// or an API key.
func appendEventList(b []byte, page events.ListPage) []byte {
	b = append(b, `{"hasMore":`...)
	b = strconv.AppendBool(b, page.Cursor != "")
	b = append(b, `,"events":[`...)
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendEvent(b, &page.Events[i])
	}
	b = append(b, ']')
	if page.Cursor != "" {
		b = append(b, `,"cursor":`...)
		b = wire.AppendString(b, page.Cursor)
	}
	return append(b, '}')
}

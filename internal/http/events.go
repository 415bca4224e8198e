package http

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/events"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// maxWait is the longest time that a request can wait for events, in seconds. Most load
// balancers close a connection on which nothing arrives for 60 s.
const maxWait = 30

// eventParameters are the parameters of the feed.
var eventParameters = parameters{
	named: map[string]parser{
		"limit":  parseLimit,
		"cursor": parseCursor,
		"type":   parseEventType,
		"orgId":  parseListedOrg,
		"order":  parseEventOrder,
		"wait":   parseWait,
	},
	repeated: "type",
}

// feedParams are the parsed values of the feed's query.
type feedParams struct {
	events.Params
	backward bool
	wait     time.Duration
}

// feedQuery reads the query of the feed. Only the forward feed can wait, or be a stream.
func feedQuery(r *http.Request) (p feedParams, err error) {
	q, err := eventParameters.parse(r.URL.RawQuery)
	if err != nil {
		return p, err
	}
	p = feedParams{events.Params{Limit: q.Limit, Cursor: q.Cursor, Types: q.types}, q.backward, q.wait}
	if len(q.OrgIDs) > 0 {
		p.OrgID = &q.OrgIDs[0]
	}
	switch {
	case p.backward && p.wait > 0:
		err = rejectParams([]fieldError{{Field: "wait", Code: fieldInvalid, Detail: "Must not be combined with order=-position: new events never come before a cursor."}})
	case p.backward && prefersStream(r.Header):
		err = rejectParams([]fieldError{{Field: "order", Code: fieldInvalid, Detail: "Must not be -position for an event stream."}})
	}
	return p, err
}

// eventOrders are the values of order in the feed: whether it is read backward.
var eventOrders = map[string]bool{"position": false, "-position": true}

func parseEventOrder(value string, p *params) (err *fieldError) {
	p.backward, err = oneOf(eventOrders, value, "position or -position")
	return err
}

// parseEventType rejects unknown types, because a filter with a misspelled type would never
// match an event.
func parseEventType(value string, p *params) *fieldError {
	if !slices.Contains(events.Types, value) {
		return &fieldError{Code: fieldInvalid, Detail: "Unknown type. The types are " + listOf(events.Types) + "."}
	}
	p.types = append(p.types, value)
	return nil
}

func parseWait(value string, p *params) *fieldError {
	seconds, err := strconv.ParseUint(value, 10, 8)
	if err != nil || seconds > maxWait {
		return &fieldError{Code: fieldOutOfRange, Detail: "Must be a whole number from 0 to 30."}
	}
	p.wait = time.Duration(seconds) * time.Second
	return nil
}

// listEvents returns a page of the account's feed. If the page of a forward feed is empty,
// it waits for events for up to the time that the client requested.
func (s *Server) listEvents(c echo.Context) error {
	p, err := feedQuery(c.Request())
	if err != nil {
		return err
	}
	if prefersStream(c.Request().Header) {
		return s.streamEvents(c, p.Params)
	}
	account := callerOf(c).AccountID
	read := s.cfg.Events.Read
	if p.backward {
		read = s.cfg.Events.ReadBackward
	}
	var waiter *events.Waiter
	if p.wait > 0 {
		waiter = s.cfg.Hub.Wait(account)
		defer waiter.Close()
	}
	var page events.Page
	answered := false
	err = s.inFlight(c, eventPageAnswer, func() (err error) {
		page, err = read(c.Request().Context(), account, p.Params)
		if answered = err == nil && (p.wait == 0 || isWorthSending(page)); answered {
			err = s.writeEvents(c, page)
		}
		return err
	})
	if err != nil || answered {
		return err
	}
	return s.awaitEvents(c, waiter, account, p.Params, page, p.wait)
}

// isWorthSending reports whether a client that waits should get the page: it has events,
// or the client can continue at once.
func isWorthSending(page events.Page) bool { return len(page.Events) > 0 || page.HasMore }

// awaitEvents waits for the first page after the given one, which is empty. At the end of
// the wait it sends an empty page.
func (s *Server) awaitEvents(c echo.Context, waiter *events.Waiter, account uuid.UUID, p events.Params, page events.Page, wait time.Duration) error {
	s.release(c)
	w, err := s.beginWait(c)
	if err != nil {
		return err
	}
	defer w.end()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		select {
		case <-waiter.Woken(page.Last.Position):
		case <-timeout.C:
			w.resume()
			return s.writeEvents(c, page)
		case <-s.stopped:
			w.resume()
			return s.writeEvents(c, page)
		case <-w.gone():
			return w.resume().Err()
		}
		p.Cursor = page.Cursor
		if page, err = s.readWoken(w.resume(), c, account, p); err != nil {
			return err
		}
		if isWorthSending(page) {
			return s.writeAwaited(c, page)
		}
		s.release(c)
		w.pause()
		// A busy account may wake the reader many times per second, even if the filter
		// excludes every event.
		select {
		case <-time.After(streamPace):
		case <-s.stopped:
		case <-w.gone():
		}
	}
}

// writeAwaited writes a page after a wait, during which the key may have been revoked.
func (s *Server) writeAwaited(c echo.Context, page events.Page) error {
	if err := s.stillAllowed(c); err != nil {
		return err
	}
	s.observeDelay(page)
	return s.writeEvents(c, page)
}

// observeDelay records the age of the first event of a page that a reader waited for.
func (s *Server) observeDelay(page events.Page) {
	if len(page.Events) > 0 {
		s.cfg.Observer.ObserveFeedDelay(time.Since(page.Events[0].OccurredAt))
	}
}

// writeEvents writes a page of the feed.
func (s *Server) writeEvents(c echo.Context, page events.Page) error {
	next := ""
	if page.HasMore {
		next = page.Cursor
	}
	s.beginPage(c, len(page.Events), links{next: next})
	body := bodies.get(page.Bytes + pageFrame)
	defer bodies.put(body)
	*body = appendEventPage(*body, page)
	return writeJSON(c, http.StatusOK, *body)
}

// appendEventPage appends the JSON object of a page of events. It always has a cursor:
// the next request continues there, even if there is no event yet.
func appendEventPage(b []byte, page events.Page) []byte {
	b = append(b, `{"hasMore":`...)
	b = strconv.AppendBool(b, page.HasMore)
	b = append(b, `,"events":[`...)
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendEvent(b, &page.Events[i])
	}
	b = append(b, `],"cursor":`...)
	b = wire.AppendString(b, page.Cursor)
	return append(b, '}')
}

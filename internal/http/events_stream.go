package http

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/budget"
	"orgd/internal/cursor"
	"orgd/internal/events"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

const (
	streamType = "text/event-stream"
	// streamBeat is how often something is sent on a stream, so that nothing between the
	// client and this server closes it as idle.
	streamBeat = 15 * time.Second
	// streamPace is the shortest time between two reads of a stream that has caught up.
	streamPace = 20 * time.Millisecond
	// streamRetry is the time between two reads of a stream while the database is
	// unavailable.
	streamRetry = time.Second
)

// offerEvents is offerJSON for the feed, which is also offered as a stream.
func offerEvents(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if h := c.Request().Header; !acceptsJSON(h) && !prefersStream(h) {
			return newError(codeNotAcceptable, "Responses are application/json or text/event-stream. Send Accept with one of them, or no Accept header.")
		}
		return next(c)
	}
}

// prefersStream reports whether the Accept header names event streams, and not JSON.
func prefersStream(h http.Header) bool {
	stream, json := false, false
	for element := range strings.SplitSeq(strings.Join(h.Values(echo.HeaderAccept), ","), ",") {
		if mediaRange, wanted, err := parseMediaRange(element); err == nil && wanted {
			stream = stream || mediaRange == streamType
			json = json || mediaRange == echo.MIMEApplicationJSON
		}
	}
	return stream && !json
}

// stream is an open event stream (WHATWG HTML section 9.2). It counts as a waiting
// request, also while it sends.
type stream struct {
	*waiting
	waiter  *events.Waiter
	account uuid.UUID
	params  events.Params
	sent    string // the last cursor that the client got
}

// streamEvents sends the account's feed as an event stream, until the client disconnects
// or the server stops.
func (s *Server) streamEvents(c echo.Context, p events.Params) error {
	account := callerOf(c).AccountID
	p.Limit = cursor.MaxLimit
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		p.Cursor = last // from after the cursor in the query
	}
	waiter := s.cfg.Hub.Wait(account)
	defer waiter.Close()
	var page events.Page
	err := s.inFlight(c, eventPageAnswer, func() (err error) {
		page, err = s.cfg.Events.Read(c.Request().Context(), account, p)
		return err
	})
	if err != nil {
		return err
	}
	w, err := s.beginWait(c)
	if err != nil {
		return err
	}
	defer w.end()
	defer w.resume() // counts the stream as waiting
	c.SetRequest(c.Request().WithContext(w.connection()))
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, streamType)
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	st := stream{waiting: w, waiter: waiter, account: account, params: p}
	return st.run(page)
}

// run sends the page and all that follow. It returns an error only for the log.
func (st *stream) run(page events.Page) error {
	// From now on, a client that reconnects continues here, also if it began with
	// cursor=now or without a cursor.
	err := st.send(page)
	page.Events = nil // not kept during the wait
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for err == nil && !st.isOver() {
		if page.HasMore { // filters may leave out everything for long, or the database is unavailable
			select {
			case <-beat.C:
				err = st.beat(page)
				continue
			default:
			}
		} else {
			select {
			case <-st.waiter.Woken(page.Last.Position):
			case <-beat.C:
				err = st.beat(page)
				continue
			case <-st.server.stopped:
				continue
			case <-st.gone():
				continue
			}
		}
		if page, err = st.next(page); err == nil {
			err = st.send(page)
			page.Events = nil
		}
	}
	if st.isOver() {
		return nil
	}
	return err
}

// isOver reports whether the server stops or the client has disconnected.
func (st *stream) isOver() bool {
	return st.server.stopping.Load() || st.connection().Err() != nil
}

// next reads the page after the given one. If the database is unavailable, it returns the
// given page, and the stream tries again.
func (st *stream) next(page events.Page) (events.Page, error) {
	st.params.Cursor = page.Cursor
	ctx, cancel := context.WithTimeout(st.connection(), requestDeadline)
	defer cancel()
	next, err := st.server.cfg.Events.ReadTogether(ctx, st.account, st.params)
	if err == nil {
		err = st.server.stillAllowed(st.c)
	}
	switch {
	case err == nil && next.HasMore:
		return next, nil
	case err == nil:
		return next, st.sleep(streamPace)
	case isTemporary(err):
		page.Events, page.HasMore = nil, true // tried again
		return page, st.sleep(streamRetry)
	}
	return page, err
}

// isTemporary reports whether a stream continues after the error. Its client cannot see
// an error: it would have to connect again.
func isTemporary(err error) bool {
	return slices.ContainsFunc([]error{events.ErrUnavailable, budget.ErrExhausted, context.DeadlineExceeded}, func(temporary error) bool {
		return errors.Is(err, temporary)
	})
}

func (st *stream) sleep(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-st.server.stopped:
		return http.ErrServerClosed
	case <-st.gone():
		return st.connection().Err()
	}
}

// send sends the events of a page.
func (st *stream) send(page events.Page) error {
	if len(page.Events) == 0 {
		if st.sent == "" {
			return st.mark(page)
		}
		return nil
	}
	const frame = 150 // of an event: its cursor and its type
	for {
		err := st.server.hold(st.c, int64(page.Bytes+frame*len(page.Events)))
		if err == nil {
			break
		}
		if !isTemporary(err) {
			return err
		}
		if err := st.sleep(streamRetry); err != nil {
			return err
		}
	}
	body := bodies.get(page.Bytes + frame*len(page.Events))
	defer bodies.put(body)
	for i := range page.Events {
		e := &page.Events[i]
		st.sent = events.CursorAt(st.account, e.At())
		*body = append(append(*body, "id: "...), st.sent...)
		*body = append(append(*body, "\nevent: "...), e.Type...)
		*body = append(*body, "\ndata: "...)
		*body = wire.AppendEvent(*body, e)
		*body = append(*body, "\n\n"...)
	}
	return st.write(*body)
}

// beat shows the client and everything in between that the stream is alive.
func (st *stream) beat(page events.Page) error {
	if err := st.server.stillAllowed(st.c); err != nil && !isTemporary(err) {
		return err
	}
	if page.Cursor != st.sent { // the filters have left out events since
		return st.mark(page)
	}
	return st.write([]byte(":\n\n"))
}

// mark sends a cursor without an event.
func (st *stream) mark(page events.Page) error {
	st.sent = page.Cursor
	return st.write([]byte("id: " + st.sent + "\n\n"))
}

// write sends part of the stream. It fails if the client reads nothing for stallTimeout.
func (st *stream) write(body []byte) error {
	connection := http.NewResponseController(st.c.Response())
	for piece := range slices.Chunk(body, maxPiece) {
		// A test's recorder has no deadline.
		_ = connection.SetWriteDeadline(time.Now().Add(stallTimeout))
		if _, err := st.c.Response().Write(piece); err != nil {
			return err
		}
	}
	if err := flush(st.c); err != nil {
		return err
	}
	st.server.release(st.c)
	return nil
}

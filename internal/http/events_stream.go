package http

import (
	"context"
	"errors"
	"net/http"
	"slices"
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
	// defaultStreamBeat is the time between the keep-alive messages of a stream. They stop
	// proxies and load balancers from closing the stream as idle.
	defaultStreamBeat = 15 * time.Second
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

// prefersStream reports whether the client wants an event stream.
func prefersStream(h http.Header) bool { return prefers(h, streamType) }

// stream is an open event stream (WHATWG HTML section 9.2). It counts as a waiting
// request, even while it sends.
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
		p.Cursor = last // more recent than the cursor in the query
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
	w, err := s.beginStream(c, streamType)
	if err != nil {
		return err
	}
	defer w.endStream()
	if c.Request().Method == http.MethodHead {
		return nil
	}
	st := stream{waiting: w, waiter: waiter, account: account, params: p}
	return st.run(page)
}

// run sends the page and all that follow. The error that it returns is only logged.
func (st *stream) run(page events.Page) error {
	// From now on, a client that reconnects continues here, even if it began with
	// cursor=now or without a cursor.
	err := st.send(page)
	page.Events = nil
	beat := time.NewTicker(st.server.streamBeat)
	defer beat.Stop()
	for err == nil && !st.isOver() {
		if page.HasMore { // filters may exclude everything for a long time, or the database is unavailable
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
		page, err = st.next(page)
	}
	if st.isOver() {
		return nil
	}
	return err
}

// next sends the page after the given one, and returns it without its events. If the
// database is unavailable, it returns the given page, so that run tries again.
func (st *stream) next(page events.Page) (events.Page, error) {
	next, err := st.read(page.Cursor)
	if isTemporary(err) {
		st.server.release(st.c)
		page.HasMore = true // makes run try again
		return page, st.sleep(streamRetry)
	}
	if err == nil {
		if !page.HasMore {
			st.server.observeDelay(next)
		}
		err = st.send(next)
	}
	next.Events = nil // not kept during the wait
	if err != nil || next.HasMore {
		return next, err
	}
	return next, st.sleep(streamPace)
}

// read reads the page after the cursor, if the key is still valid.
func (st *stream) read(cursor string) (events.Page, error) {
	st.params.Cursor = cursor
	ctx, cancel := context.WithTimeout(st.connection(), requestDeadline)
	defer cancel()
	page, err := st.server.readWoken(ctx, st.c, st.account, st.params)
	if err == nil {
		err = st.server.stillAllowed(st.c)
	}
	return page, err
}

// isTemporary reports whether a stream continues after the error. A stream cannot send an
// error to its client, so ending it would only make the client reconnect.
func isTemporary(err error) bool {
	return slices.ContainsFunc([]error{events.ErrUnavailable, budget.ErrExhausted, context.DeadlineExceeded}, func(temporary error) bool {
		return errors.Is(err, temporary)
	})
}

// send sends the events of a page, and releases the memory that the stream holds for it.
func (st *stream) send(page events.Page) error {
	if len(page.Events) == 0 {
		st.server.release(st.c)
		if st.sent == "" {
			return st.mark(page)
		}
		return nil
	}
	const frame = 150 // bytes for the cursor and the type of an event
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

// beat sends a keep-alive message to the client and the proxies in between. It returns an
// error if the key is no longer valid.
func (st *stream) beat(page events.Page) error {
	if err := st.server.stillAllowed(st.c); err != nil && !isTemporary(err) {
		return err
	}
	if page.Cursor != st.sent { // the filters have excluded events since
		return st.mark(page)
	}
	return st.write([]byte(":\n\n"))
}

// mark sends a cursor without an event.
func (st *stream) mark(page events.Page) error {
	st.sent = page.Cursor
	return st.write([]byte("id: " + st.sent + "\n\n"))
}

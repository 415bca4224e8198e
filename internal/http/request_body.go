package http

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/budget"
)

const receivedKey = "received"

// received is the body of a request, or the error from reading it. The handler returns the
// error only when it needs the body, so that errors in the path take precedence.
type received struct {
	body []byte
	err  error
}

// receive reads the whole body before the handler runs, so that a slow client holds no
// slot for requests in flight and no database connection. answer is the size of the
// largest response, in bytes. copies is how many copies of the body the request holds at
// its peak.
func (s *Server) receive(answer, copies int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if c.Request().ContentLength == 0 {
				c.Set(receivedKey, received{})
				return next(c)
			}
			release, err := s.acquireReceiving(c)
			if err != nil {
				return err
			}
			r := func() (r received) {
				defer release()
				r.body, r.err = s.readBody(c, answer, copies)
				return r
			}()
			if errors.Is(r.err, budget.ErrExhausted) {
				return r.err // the request has already waited for memoryWait
			}
			c.Set(receivedKey, r)
			return next(c)
		}
	}
}

// receivedBody returns the body that receive has read. It panics on a route without
// receive.
func receivedBody(c echo.Context) ([]byte, error) {
	r := c.Get(receivedKey).(received)
	return r.body, r.err
}

// readBody checks the headers before it reads the body: with Expect: 100-continue, a
// client does not send the body until the server begins to read it.
func (s *Server) readBody(c echo.Context, answer, copies int64) ([]byte, error) {
	r := c.Request()
	if err := checkMediaType(r.Header, mediaTypes(c.Path())); err != nil {
		return nil, err
	}
	connection := http.NewResponseController(c.Response())
	started := time.Now()
	if err := connection.SetReadDeadline(started.Add(bodyTimeout)); err != nil {
		return nil, err
	}
	body, err := s.readPieces(c, r, answer, copies)
	if err != nil {
		return nil, err
	}
	// From here on, net/http reads only to notice that the client has disconnected.
	return body, connection.SetReadDeadline(started.Add(readTimeout))
}

// firstPiece is a size in bytes. Most bodies are smaller.
const firstPiece = 4 << 10

// readPieces reads a body, and counts its memory against the account. After a first piece,
// it reserves memory for the whole body and the response at once. A large body therefore
// does not wait a second time while it holds memory, and two such bodies cannot wait for
// each other.
func (s *Server) readPieces(c echo.Context, r *http.Request, answer, copies int64) ([]byte, error) {
	if err := s.holdBody(c, smallAnswer); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if n, err := body.ReadFrom(io.LimitReader(r.Body, firstPiece)); err != nil || n < firstPiece {
		return body.Bytes(), badBody(err)
	}
	length := r.ContentLength
	if length < 0 {
		length = maxBodyBytes
	}
	if err := s.holdBody(c, max(copies*length, answer)); err != nil {
		return nil, err
	}
	if r.ContentLength > 0 {
		body.Grow(int(length) - body.Len() + bytes.MinRead) // otherwise ReadFrom doubles the buffer each time
	}
	_, err := body.ReadFrom(r.Body)
	return body.Bytes(), badBody(err)
}

func (s *Server) holdBody(c echo.Context, size int64) error {
	err := s.hold(c, size)
	if err != nil {
		c.Response().Header().Set(echo.HeaderConnection, "close") // the rest is not read
	}
	return err
}

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return newError(codeBodyTooLarge, bodyTooLarge).withCause(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newError(codeRequestTimeout, "The body did not arrive within 8 seconds. Send the request again.").withCause(err)
	}
	return newError(codeInvalidBody, "The body is incomplete. Its length must match the request's headers.").withCause(err)
}

// limitBody rejects a Content-Length above the limit, and stops reading a body at the
// limit.
func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength > maxBodyBytes {
			// A connection with an unread body cannot be reused.
			c.Response().Header().Set(echo.HeaderConnection, "close")
			return newError(codeBodyTooLarge, bodyTooLarge)
		}
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBodyBytes)
		}
		return next(c)
	}
}

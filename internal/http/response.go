package http

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/text"
	"orgd/internal/uuid"
)

// bodies pools the buffers of pages, so that not every page allocates a new one.
var bodies = bufferPool{}

type bufferPool struct{ pool sync.Pool }

// maxPooled is the capacity of the largest buffer that returns to the pool, so that the
// buffers of unusually large responses do not stay in memory.
const maxPooled = 128 << 10

// get returns a buffer for a response of at most size bytes.
func (p *bufferPool) get(size int) *[]byte {
	// size is an upper bound and usually too high. Above twice maxPooled, the buffer
	// would become too large for the pool anyway.
	if size > 2*maxPooled {
		b := make([]byte, 0, size)
		return &b
	}
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 48<<10)
	return &b
}

func (p *bufferPool) put(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		p.pool.Put(b)
	}
}

// writeJSON writes a whole JSON response. From here on, the request holds only as much
// memory as the response takes.
func writeJSON(c echo.Context, status int, body []byte) error {
	if h, ok := c.Get(holdKey).(*hold); ok {
		h.Set(int64(len(body)))
	}
	return writeBody(c, status, echo.MIMEApplicationJSON, body)
}

// getObject handles a GET whose only parameter is the id in the path. find returns what has
// the id, and object converts it to its JSON object.
func getObject[T, O any](c echo.Context, pathID func(echo.Context) (uuid.UUID, error), find func(ctx context.Context, accountID, id uuid.UUID) (T, error), object func(T) O) error {
	id, err := pathID(c)
	if err != nil {
		return err
	}
	if err := noParams(c.Request().URL.RawQuery); err != nil {
		return err
	}
	found, err := find(c.Request().Context(), callerOf(c).AccountID, id)
	if err != nil {
		return err
	}
	body, err := text.MarshalJSON(object(found))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

// writeBody writes a whole response. It sets the length, because net/http would otherwise
// send a response that exceeds its buffer in chunks.
func writeBody(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	if len(body) > maxPiece {
		return writePieces(c, body)
	}
	_, err := c.Response().Write(body)
	return err
}

// flush passes the response to the operating system. An error means that the client does
// not get all of it.
func flush(c echo.Context) error {
	err := http.NewResponseController(c.Response().Writer).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil // net/http sends it later and reports no error
	}
	return err
}

// maxPiece is as much as a socket usually accepts at once.
const maxPiece = 64 << 10

// writePieces writes a large response. It gives up if the client reads nothing for
// stallTimeout, and at the latest when writeTimeout has passed since the start of the
// request, because other requests cannot use the memory that the response holds.
func writePieces(c echo.Context, body []byte) error {
	connection := http.NewResponseController(c.Response())
	handled, _ := c.Request().Context().Deadline() // set by setDeadline
	end := handled.Add(writeTimeout - requestDeadline)
	for piece := range slices.Chunk(body, maxPiece) {
		deadline := time.Now().Add(stallTimeout)
		if deadline.After(end) {
			deadline = end
		}
		if err := connection.SetWriteDeadline(deadline); err != nil {
			return err
		}
		if _, err := c.Response().Write(piece); err != nil {
			return err
		}
	}
	return nil
}

package http

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// bodies lends buffers to the hot answers, so that a page makes no garbage of
// its size.
var bodies = bufferPool{}

type bufferPool struct{ pool sync.Pool }

// maxPooled keeps answers of unusual size from staying in memory.
const maxPooled = 128 << 10

// get lends a buffer for an answer of at most so many bytes.
func (p *bufferPool) get(size int) *[]byte {
	if size > 2*maxPooled { // size is mostly too high; this answer is large for certain
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

// writeJSON writes a whole answer in JSON. From here on the request holds no more
// memory than the answer takes.
func writeJSON(c echo.Context, status int, body []byte) error {
	if h, ok := c.Get(holdKey).(*hold); ok {
		h.Set(int64(len(body)))
	}
	return writeBody(c, status, echo.MIMEApplicationJSON, body)
}

// writeBody writes a whole answer. Its length is set, or net/http would send
// what does not fit its buffer in chunks.
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

// flush hands the answer to the operating system. After an error the client does not
// get all of it.
func flush(c echo.Context) error {
	err := http.NewResponseController(c.Response().Writer).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil // net/http sends it later, and nobody learns how that goes
	}
	return err
}

// maxPiece is what a socket mostly takes at once.
const maxPiece = 64 << 10

// writePieces writes a large answer as long as the client takes some of it, and no
// longer than writeTimeout: what it holds is missing to others.
func writePieces(c echo.Context, body []byte) error {
	connection := http.NewResponseController(c.Response())
	handled, _ := c.Request().Context().Deadline() // setDeadline has set it
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

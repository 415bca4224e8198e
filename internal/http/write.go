package http

import (
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"
)

// bodies lends buffers to the hot answers, so that a page makes no garbage of
// its size.
var bodies = bufferPool{}

type bufferPool struct{ pool sync.Pool }

// maxPooled keeps one answer of unusual size from holding memory for ever.
const maxPooled = 256 << 10

func (p *bufferPool) get() *[]byte {
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

// writeJSON writes a whole answer in JSON.
func writeJSON(c echo.Context, status int, body []byte) error {
	return writeBody(c, status, echo.MIMEApplicationJSON, body)
}

// writeBody writes a whole answer. Its length is set, or net/http would send
// what does not fit its buffer in chunks.
func writeBody(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
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

package http

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const maxIdempotencyKey = 255

// idempotencyKey returns the Idempotency-Key of the request, or "". The value is a quoted
// string (RFC 9651 section 3.3.3), but many clients send it without quotes.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key, ok := unquote(values[0])
	if len(values) > 1 || !ok || len(key) < 1 || len(key) > maxIdempotencyKey {
		return "", newError(codeInvalidRequest, `Send one Idempotency-Key header with 1 to 255 printable ASCII characters. If the key contains a space or a quote, put it in double quotes, and write \" for a quote and \\ for a backslash.`)
	}
	return key, nil
}

func unquote(s string) (string, bool) {
	inner, quoted := strings.CutPrefix(s, `"`)
	if !quoted {
		return s, isPrintable(s) && !strings.ContainsAny(s, ` "`)
	}
	var key strings.Builder
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		switch {
		case c == '"':
			return key.String(), i == len(inner)-1
		case c == '\\':
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", false
			}
			c = inner[i]
		case !isPrintable(inner[i : i+1]):
			return "", false
		}
		key.WriteByte(c)
	}
	return "", false // no closing quote
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// markReplay marks a response as the result of an earlier call.
func markReplay(c echo.Context, replayed bool) {
	if replayed {
		c.Response().Header().Set("Idempotency-Replayed", "true")
	}
}

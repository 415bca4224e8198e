package http

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// jsonRanges maps the media ranges that match JSON to how specific they are.
var jsonRanges = map[string]int{"*/*": 1, "application/*": 2, "application/json": 3}

var (
	errMediaRange = errors.New("media range is not type/subtype, type/* or */*")
	errQuality    = errors.New("quality is not a number from 0 to 1")
)

// offerJSON rejects a request whose Accept header excludes JSON, because most routes have
// no other format.
func offerJSON(next echo.HandlerFunc) echo.HandlerFunc {
	return requireJSON(next, "Responses are application/json only. Send Accept: application/json, or no Accept header.")
}

func requireJSON(next echo.HandlerFunc, otherwise string) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !acceptsJSON(c.Request().Header) {
			return newError(codeNotAcceptable, otherwise)
		}
		return next(c)
	}
}

// acceptsJSON reports whether the Accept header allows JSON (RFC 9110 section 12.5.1):
// the most specific matching range decides. A malformed header is ignored. A header with
// a comma in a quoted parameter is ignored too, because it would need a full parser.
// Parameters other than q are ignored, because many clients send a charset.
func acceptsJSON(h http.Header) bool {
	best, accepted, listed := 0, false, false
	for element := range strings.SplitSeq(strings.Join(h.Values(echo.HeaderAccept), ","), ",") {
		if strings.TrimSpace(element) == "" {
			continue
		}
		mediaRange, wanted, err := parseMediaRange(element)
		if err != nil {
			return true
		}
		listed = true
		exactness := jsonRanges[mediaRange]
		if exactness == 0 || exactness < best {
			continue
		}
		accepted = wanted || accepted && exactness == best
		best = exactness
	}
	return accepted || !listed
}

// prefers reports whether the Accept header names the media type of a stream but not JSON.
func prefers(h http.Header, mediaType string) bool {
	stream, json := false, false
	for element := range strings.SplitSeq(strings.Join(h.Values(echo.HeaderAccept), ","), ",") {
		if mediaRange, wanted, err := parseMediaRange(element); err == nil && wanted {
			stream = stream || mediaRange == mediaType
			json = json || mediaRange == echo.MIMEApplicationJSON
		}
	}
	return stream && !json
}

// parseMediaRange returns the range without its parameters, and whether its quality is
// above zero.
func parseMediaRange(element string) (mediaRange string, wanted bool, err error) {
	mediaRange, params, err := mime.ParseMediaType(element)
	if err != nil {
		return "", false, err
	}
	if kind, subtype, ok := strings.Cut(mediaRange, "/"); !ok || kind == "*" && subtype != "*" {
		return "", false, errMediaRange // mime.ParseMediaType accepts any word
	}
	q, given := params["q"]
	if !given {
		return mediaRange, true, nil
	}
	quality, err := strconv.ParseFloat(q, 64)
	if err != nil || quality > 1 || strings.Trim(q, "0123456789.") != "" {
		return "", false, errQuality
	}
	return mediaRange, quality > 0, nil
}

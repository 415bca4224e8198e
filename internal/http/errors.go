package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

// code names a problem for good: clients decide by it. docs/api.md describes
// each, openapi.yaml lists them.
type code string

const (
	codeInvalidRequest       code = "invalid_request"
	codeInvalidParameter     code = "invalid_parameter"
	codeUnknownParameter     code = "unknown_parameter"
	codeRepeatedParameter    code = "repeated_parameter"
	codeInvalidCursor        code = "invalid_cursor"
	codeInvalidAuthorization code = "invalid_authorization"
	codeMissingCredentials   code = "missing_credentials"
	codeInvalidAPIKey        code = "invalid_api_key"
	codeInsufficientScope    code = "insufficient_scope"
	codeNotFound             code = "not_found"
	codeMethodNotAllowed     code = "method_not_allowed"
	codeBodyTooLarge         code = "body_too_large"
	codeUnsupportedMediaType code = "unsupported_media_type"
	codeInternal             code = "internal"
	codeNotImplemented       code = "not_implemented"
	codeUnavailable          code = "unavailable"
)

// problems gives each code its status and its title.
var problems = map[code]struct {
	status int
	title  string
}{
	codeInvalidRequest:       {http.StatusBadRequest, "Malformed request"},
	codeInvalidParameter:     {http.StatusBadRequest, "Invalid query parameter"},
	codeUnknownParameter:     {http.StatusBadRequest, "Unknown query parameter"},
	codeRepeatedParameter:    {http.StatusBadRequest, "Repeated query parameter"},
	codeInvalidCursor:        {http.StatusBadRequest, "Invalid cursor"},
	codeInvalidAuthorization: {http.StatusBadRequest, "Malformed credentials"},
	codeMissingCredentials:   {http.StatusUnauthorized, "Missing credentials"},
	codeInvalidAPIKey:        {http.StatusUnauthorized, "Invalid API key"},
	codeInsufficientScope:    {http.StatusForbidden, "Insufficient scope"},
	codeNotFound:             {http.StatusNotFound, "Not found"},
	codeMethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	codeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large"},
	codeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	codeInternal:             {http.StatusInternalServerError, "Internal error"},
	codeNotImplemented:       {http.StatusNotImplemented, "Not implemented"},
	codeUnavailable:          {http.StatusServiceUnavailable, "Unavailable"},
}

// Details that more than one place gives.
const (
	bodyTooLarge = "Send a body of at most 256 KiB."
	tryLater     = "The service cannot answer now; repeat the call after the time in Retry-After."
	tellUs       = "This is a defect of the service; report it with the request id."
)

// known maps the errors of the domain, and of those below that reach the edge,
// to what a client is told. The first match counts; no match is a 500.
var known = []struct {
	err    error
	code   code
	detail string
}{
	{orgs.ErrInvalidCursor, codeInvalidCursor, "Use the cursor of the page before as it is, with the same key and the same filters, or leave it out to begin anew."},
	{orgs.ErrUnavailable, codeUnavailable, tryLater}, // and apikeys': it is one error
	{errNotReady, codeUnavailable, tryLater},
	{context.DeadlineExceeded, codeUnavailable, tryLater},
	{context.Canceled, codeUnavailable, tryLater},
}

// knownStatus maps the statuses that echo's router and readers answer by
// themselves.
var knownStatus = map[int]struct {
	code   code
	detail string
}{
	http.StatusBadRequest:            {codeInvalidRequest, "Correct the syntax of the request."},
	http.StatusNotFound:              {codeNotFound, "Nothing is here; compare the path with the API's description."},
	http.StatusMethodNotAllowed:      {codeMethodNotAllowed, "Use one of the methods in the header Allow."},
	http.StatusRequestEntityTooLarge: {codeBodyTooLarge, bodyTooLarge},
	http.StatusUnsupportedMediaType:  {codeUnsupportedMediaType, "Send a body of the type in the header Accept, without a content coding."},
}

// apiError is an error with two texts: detail tells the client how to mend the
// call, cause tells the log what happened.
type apiError struct {
	code    code
	detail  string
	bad     []fieldError
	headers map[string]string
	cause   error
}

// fieldCode names what is wrong with one field.
type fieldCode string

const (
	fieldInvalid    fieldCode = "invalid"
	fieldOutOfRange fieldCode = "out_of_range"
	fieldTooLong    fieldCode = "too_long"
	fieldUnknown    fieldCode = "unknown"
	fieldRepeated   fieldCode = "repeated"
	fieldCursor     fieldCode = "invalid_cursor"
)

type fieldError struct {
	Field  string    `json:"field"`
	Code   fieldCode `json:"code"`
	Detail string    `json:"detail"`
}

func newError(c code, detail string) *apiError { return &apiError{code: c, detail: detail} }

func (e *apiError) because(cause error) *apiError     { e.cause = cause; return e }
func (e *apiError) fields(bad []fieldError) *apiError { e.bad = bad; return e }

func (e *apiError) challenge(value string) *apiError {
	e.headers = map[string]string{echo.HeaderWWWAuthenticate: value}
	return e
}

func (e *apiError) Error() string {
	if e.cause != nil {
		return string(e.code) + ": " + e.cause.Error()
	}
	return string(e.code) + ": " + e.detail
}

func (e *apiError) Unwrap() error { return e.cause }

// asAPIError finds what to tell the client of err.
func asAPIError(err error) *apiError {
	var own *apiError
	if errors.As(err, &own) {
		return own
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return newError(k.code, k.detail).because(err)
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return newError(codeBodyTooLarge, bodyTooLarge).because(err)
	}
	var fromEcho *echo.HTTPError
	if errors.As(err, &fromEcho) {
		if k, ok := knownStatus[fromEcho.Code]; ok {
			return newError(k.code, k.detail).because(err)
		}
	}
	return newError(codeInternal, tellUs).because(err)
}

// problemDocument is the body of every error (RFC 9457). The official clients
// print message.
type problemDocument struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      code         `json:"code"`
	Message   string       `json:"message"`
	RequestID string       `json:"requestId"`
	Errors    []fieldError `json:"errors,omitempty"`
}

// renderError makes err the answer, unless an answer has begun.
func (s *Server) renderError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	e := asAPIError(err)
	problem := problems[e.code]
	h := c.Response().Header()
	for name, value := range e.headers {
		h.Set(name, value)
	}
	switch e.code {
	case codeUnavailable:
		h.Set("Retry-After", retryAfter())
	case codeUnsupportedMediaType:
		h.Set("Accept", echo.MIMEApplicationJSON)
	}
	body, err := marshal(problemDocument{
		Type:      "/problems/" + string(e.code),
		Title:     problem.title,
		Status:    problem.status,
		Detail:    e.detail,
		Code:      e.code,
		Message:   e.detail,
		RequestID: h.Get(echo.HeaderXRequestID),
		Errors:    e.bad,
	})
	if err == nil {
		err = writeBody(c, problem.status, "application/problem+json", body)
	}
	if err != nil {
		s.cfg.Logger.WarnContext(c.Request().Context(), "an error answer was not written", "error", err)
	}
}

// marshal is json.Marshal without its escapes for HTML, which only make a
// message hard to read here.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// retryAfter is 1 to 5 whole seconds at random, so that clients do not come back
// all at once. The official clients ignore more than 60.
func retryAfter() string { return strconv.Itoa(1 + rand.IntN(5)) }

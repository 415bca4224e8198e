package http

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/text"
)

// problemDocument is the body of every error (RFC 9457). The official clients print the
// field message.
type problemDocument struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      code         `json:"code"`
	Message   string       `json:"message"`
	RequestID string       `json:"requestId"`
	OrgID     string       `json:"orgId,omitempty"`
	Errors    []fieldError `json:"errors,omitempty"`
}

// renderError writes err as the response, unless a response has already begun.
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
	setRetryAfter(h, retryAfter(e))
	switch e.code {
	case codeOrgInactive, codeOrgActive, codeExternalIDTaken, codeOrgIDTaken, codeAPIKeyEnded, codeAPIKeyRotated, codeLastManagingKey, codeTooManyKeys, codeTooManyWebhooks:
		h.Set("X-Should-Retry", "false") // the official clients would retry a 409
	case codeUnsupportedMediaType:
		types := strings.Join(mediaTypes(c.Path()), ", ")
		h.Set("Accept", types)
		if c.Request().Method == http.MethodPatch {
			h.Set("Accept-Patch", types) // RFC 5789 section 2.2
		}
	}
	body, err := text.MarshalJSON(problemDocument{
		Type:      "/problems/" + string(e.code),
		Title:     problem.title,
		Status:    problem.status,
		Detail:    e.detail,
		Code:      e.code,
		Message:   e.detail,
		RequestID: h.Get(echo.HeaderXRequestID),
		OrgID:     e.orgID,
		Errors:    e.bad,
	})
	if err == nil {
		err = writeBody(c, problem.status, "application/problem+json", body)
	}
	if err != nil {
		s.cfg.Logger.WarnContext(c.Request().Context(), "an error response could not be written", "error", err)
	}
}

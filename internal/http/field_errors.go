package http

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"orgd/internal/apikeys"
	"orgd/internal/text"
)

// Limits on how much of a bad request an error repeats.
const (
	maxEchoedRunes  = 100
	maxListedErrors = 100
	maxSummaryBytes = 1000
)

// fieldCode names what is wrong with one field.
type fieldCode string

const (
	fieldInvalid    fieldCode = "invalid"
	fieldOutOfRange fieldCode = "out_of_range"
	fieldTooLong    fieldCode = "too_long"
	fieldTooMany    fieldCode = "too_many"
	fieldWrongType  fieldCode = "wrong_type"
	fieldRequired   fieldCode = "required"
	fieldUnknown    fieldCode = "unknown"
	fieldRepeated   fieldCode = "repeated"
	fieldTaken      fieldCode = "taken"
	fieldCursor     fieldCode = "invalid_cursor"
)

type fieldError struct {
	Field  string    `json:"field"`
	Code   fieldCode `json:"code"`
	Detail string    `json:"detail"`
	OrgID  string    `json:"orgId,omitempty"` // the organization that has the value; only for an external id
}

// textFault converts an error of package text to a field error. It returns nil for nil.
func textFault(reason error) *fieldError {
	if reason == nil {
		return nil
	}
	detail := reason.Error()
	return &fieldError{Code: textCode(reason), Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."}
}

func textCode(reason error) fieldCode {
	var tooLong text.TooLongError
	switch {
	case errors.Is(reason, text.ErrEmpty):
		return fieldRequired
	case errors.As(reason, &tooLong):
		return fieldTooLong
	}
	return fieldInvalid
}

// invalidFields combines everything that is wrong with a body or a query into one error.
// Its text also names each field, because some clients show only the text.
func invalidFields(c code, bad []fieldError) *apiError {
	listed := bad[:min(len(bad), maxListedErrors)]
	summary := listed[0].Field + ": " + listed[0].Detail
	for i, b := range listed[1:] {
		next := " " + b.Field + ": " + b.Detail
		if len(summary)+len(next) > maxSummaryBytes {
			summary += " And " + strconv.Itoa(len(bad)-1-i) + " more."
			break
		}
		summary += next
	}
	e := newError(c, summary)
	e.bad = listed
	return e
}

// listOf joins names for a sentence: "a, b and c".
func listOf(names []string) string {
	switch last := len(names) - 1; {
	case last < 0:
		return "none"
	case last == 0:
		return names[0]
	default:
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
}

// cut shortens a name that the client sent, and hides any API key in it.
func cut(name string) string {
	name = apikeys.Redact(name)
	if utf8.RuneCountInString(name) <= maxEchoedRunes {
		return name
	}
	return string([]rune(name)[:maxEchoedRunes-1]) + "…"
}

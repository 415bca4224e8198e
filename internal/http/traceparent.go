package http

import (
	"net/http"
	"strings"
)

// traceIDOf returns the trace id in a request's traceparent, or "" if that is missing
// or invalid (W3C Trace Context section 3.2).
func traceIDOf(h http.Header) string {
	values := h["Traceparent"]
	if len(values) != 1 || len(values[0]) != len("00-")+32+len("-")+16+len("-00") {
		return ""
	}
	version, rest, _ := strings.Cut(values[0], "-")
	traceID, rest, _ := strings.Cut(rest, "-")
	parentID, flags, _ := strings.Cut(rest, "-")
	if version != "00" || !isTraceID(traceID, 32) || !isTraceID(parentID, 16) || !isTraceHex(flags, 2) {
		return ""
	}
	return traceID
}

// isTraceID reports whether an id has the given number of digits, not all of them zero.
func isTraceID(id string, digits int) bool {
	return isTraceHex(id, digits) && strings.Trim(id, "0") != ""
}

func isTraceHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

package http

import (
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	wrongMediaType = "Send the body as Content-Type: application/json."
	mergePatch     = "application/merge-patch+json" // RFC 7396
)

// mediaTypes returns the media types that the body of a route may have, the recommended
// one first.
func mediaTypes(path string) []string {
	if path == metadataPath {
		return []string{echo.MIMEApplicationJSON, mergePatch}
	}
	return []string{echo.MIMEApplicationJSON}
}

// checkMediaType requires one of the accepted media types, UTF-8 and no content coding.
// It rejects other parameters of the type, because ignoring them could change what the
// body means.
func checkMediaType(h http.Header, accepted []string) error {
	for _, coding := range h.Values(echo.HeaderContentEncoding) {
		if !strings.EqualFold(coding, "identity") {
			return unsupportedCoding(coding)
		}
	}
	types := h.Values(echo.HeaderContentType)
	if len(types) != 1 {
		return unsupportedType("Send exactly one Content-Type header: application/json.")
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return unsupportedType(wrongMediaType).withCause(err)
	}
	if !slices.Contains(accepted, mediaType) {
		return unsupportedType("Send the body as Content-Type: application/json, not " + cut(mediaType) + ".")
	}
	charset, given := params["charset"]
	if given && !strings.EqualFold(charset, "utf-8") {
		return unsupportedType("The charset " + cut(charset) + " is not supported. Send the body in UTF-8, with charset=utf-8 or without a charset.")
	}
	delete(params, "charset")
	if others := slices.Sorted(maps.Keys(params)); len(others) > 0 {
		return unsupportedType("Send Content-Type: application/json without the parameter " + cut(others[0]) + ".")
	}
	return nil
}

func unsupportedType(detail string) *apiError { return newError(codeUnsupportedMediaType, detail) }

// unsupportedCoding also sets Accept-Encoding to the codings that a body may have (RFC
// 9110 section 15.5.16).
func unsupportedCoding(coding string) error {
	e := unsupportedType("The Content-Encoding " + cut(coding) + " is not supported. Send the body without a Content-Encoding.")
	e.headers = map[string]string{"Accept-Encoding": "identity"}
	return e
}

package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"orgd/internal/text"
)

// Limits that are far above what any body needs. Each name takes many times its size in
// memory.
const (
	maxDepth = 16
	maxNames = 1000 // in one object
)

// object is a JSON object. Each name occurs once, exactly as it was sent.
type object map[string]json.RawMessage

// readObject reads the body of a request. It is stricter than encoding/json: it rejects a
// body that two parsers could read differently. It returns nil if there is no body and
// none is required.
func readObject(c echo.Context, required bool) (object, error) {
	body, err := receivedBody(c)
	switch {
	case err != nil:
		return nil, err
	case len(body) > 0:
		return parseObject(body)
	case required:
		return nil, newError(codeInvalidBody, "The body is missing. Send a JSON object.")
	}
	return nil, nil
}

func parseObject(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return nil, newError(codeInvalidBody, "The body is not valid UTF-8. Send JSON in UTF-8.")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := checkValue(decoder, 1); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return nil, malformed(err)
	}
	if text.HasLoneSurrogate(body) {
		return nil, newError(codeInvalidBody, `The body has an unpaired surrogate escape (\ud800 to \udfff). Send surrogates in pairs, the high one first.`)
	}
	return o, nil
}

func malformed(cause error) error {
	return newError(codeInvalidBody, "The body must be one well-formed JSON object with nothing before or after it.").withCause(cause)
}

// checkValue consumes one value. It rejects duplicate names, and values that are too
// expensive to decode.
func checkValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return malformed(err)
	}
	opening, nests := token.(json.Delim)
	switch {
	case !nests:
		return nil
	case depth > maxDepth:
		return newError(codeInvalidBody, "The body is nested too deeply. The limit is "+strconv.Itoa(maxDepth)+" levels.")
	}
	return checkMembers(d, opening, depth)
}

func checkMembers(d *json.Decoder, opening json.Delim, depth int) error {
	names := map[json.Token]bool{}
	for d.More() {
		if opening == '{' {
			name, err := d.Token()
			switch {
			case err != nil:
				return malformed(err)
			case names[name]:
				return newError(codeInvalidBody, "The field "+cut(fmt.Sprint(name))+" appears twice in one object. Send it once.")
			case len(names) == maxNames:
				return newError(codeInvalidBody, "An object in the body has too many fields. The limit is "+strconv.Itoa(maxNames)+".")
			}
			names[name] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed(err)
	}
	return nil
}

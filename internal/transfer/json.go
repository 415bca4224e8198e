package transfer

import (
	"encoding/json"
	"errors"

	"orgd/internal/text"
)

var (
	errSyntax   = errors.New("it is not one well-formed JSON object")
	errEncoding = errors.New("it is not UTF-8")
	errEscape   = errors.New(`it has an unpaired surrogate escape (\ud800 to \udfff)`)
)

// A reader reads one JSON text. Unlike encoding/json it accepts no name twice and in no
// other case, so that a line has only one meaning, and it is several times as fast. After
// an error, the rest cannot be read.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// peek returns the next byte after white space, or 0.
func (r *reader) peek() byte {
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (r *reader) take(c byte) bool {
	if r.err != nil || r.peek() != c {
		return false
	}
	r.at++
	return true
}

// isNull consumes null, if it is next.
func (r *reader) isNull() bool {
	if r.peek() != 'n' {
		return false
	}
	r.word("null")
	return true
}

func (r *reader) word(want string) {
	r.peek()
	if len(r.b)-r.at < len(want) || string(r.b[r.at:r.at+len(want)]) != want {
		r.fail(errSyntax)
		return
	}
	r.at += len(want)
}

// object calls field for each name of an object. field reads the value. It returns false
// if the next value is not an object.
func (r *reader) object(field func(name string)) bool {
	if !r.take('{') {
		return false
	}
	if r.take('}') {
		return true
	}
	for {
		name, ok := r.text()
		if !ok || !r.take(':') {
			r.fail(errSyntax)
			return true
		}
		if field(name); r.err != nil {
			return true
		}
		if r.take(',') {
			continue
		}
		if !r.take('}') {
			r.fail(errSyntax)
		}
		return true
	}
}

// array calls element for each element of an array. It returns false if the next value is
// not an array.
func (r *reader) array(element func()) bool {
	if !r.take('[') {
		return false
	}
	if r.take(']') {
		return true
	}
	for {
		if element(); r.err != nil {
			return true
		}
		if r.take(',') {
			continue
		}
		if !r.take(']') {
			r.fail(errSyntax)
		}
		return true
	}
}

// boolean reads true or false. It returns false for ok if the next value is another one.
func (r *reader) boolean() (value, ok bool) {
	switch r.peek() {
	case 't':
		r.word("true")
		return true, true
	case 'f':
		r.word("false")
		return false, true
	}
	return false, false
}

// text reads a string. It returns false if the next value is not a string.
func (r *reader) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start := r.at
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; {
		case c == '"':
			r.at++
			return string(r.b[start : r.at-1]), true
		case c == '\\':
			return r.escaped(start), true
		case c < ' ':
			r.fail(errSyntax)
			return "", true
		}
	}
	r.fail(errSyntax)
	return "", true
}

// escaped reads a string that has an escape and begins after the quote at start.
func (r *reader) escaped(start int) string {
	for r.at < len(r.b) && r.b[r.at] != '"' {
		if r.b[r.at] == '\\' {
			r.at++
		}
		r.at++
	}
	if r.at >= len(r.b) {
		r.fail(errSyntax)
		return ""
	}
	r.at++
	quoted := r.b[start-1 : r.at]
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		r.fail(errSyntax)
	} else if text.HasLoneSurrogate(quoted) {
		r.fail(errEscape)
	}
	return s
}

// end returns the first error, or one if anything follows what was read.
func (r *reader) end() error {
	if r.peek(); r.at < len(r.b) {
		r.fail(errSyntax)
	}
	return r.err
}

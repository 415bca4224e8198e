package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"orgd/internal/text"
)

var (
	errSyntax   = errors.New("the line must be one well-formed JSON object")
	errEncoding = errors.New("the line must be UTF-8")
	errEscape   = errors.New(`the line has an unpaired surrogate escape (\ud800 to \udfff)`)
)

// A reader reads the JSON text of one line. No object may have the same name twice. After
// an error, the rest of the line cannot be read.
type reader struct {
	line   []byte
	tokens jsontext.Decoder // reused, because a new one takes as long as a short line
	err    error
}

// begin makes the reader read a line.
func (r *reader) begin(line []byte) {
	r.line, r.err = line, nil
	// end checks the encoding, so that its error says what is wrong.
	r.tokens.Reset(bytes.NewBuffer(line), jsontext.AllowInvalidUTF8(true))
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// next returns the kind of the next token, or 0 after an error.
func (r *reader) next() jsontext.Kind {
	if r.err != nil {
		return 0
	}
	return r.tokens.PeekKind()
}

func (r *reader) token() jsontext.Token {
	token, err := r.tokens.ReadToken()
	if err != nil {
		r.fail(r.explain(err))
	}
	return token
}

// skip skips a value of the wrong type. If the value is malformed, that becomes the error.
func (r *reader) skip() {
	if r.err != nil {
		return
	}
	if err := r.tokens.SkipValue(); err != nil {
		r.fail(r.explain(err))
	}
}

func (r *reader) explain(err error) error {
	var at *jsontext.SyntacticError
	if errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &at) {
		path := strings.Join(slices.Collect(at.JSONPointer.Tokens()), ".")
		return fmt.Errorf("the field %s appears twice", shown(path))
	}
	return errSyntax
}

// isNull consumes null, if it is next.
func (r *reader) isNull() bool {
	if r.next() != 'n' {
		return false
	}
	r.token()
	return true
}

// object calls field for each name of an object, and field reads the value. object returns
// false if the next value is not an object.
func (r *reader) object(field func(name string)) bool {
	if r.next() != '{' {
		r.skip()
		return false
	}
	for r.token(); r.err == nil && r.next() != '}'; {
		if name := r.token(); r.err == nil {
			field(name.String())
		}
	}
	if r.err == nil {
		r.token()
	}
	return true
}

// array calls element for each element of an array. It returns false if the next value is
// not an array.
func (r *reader) array(element func()) bool {
	if r.next() != '[' {
		r.skip()
		return false
	}
	for r.token(); r.err == nil && r.next() != ']'; {
		element()
	}
	if r.err == nil {
		r.token()
	}
	return true
}

// boolean reads true or false. ok is false if the next value is neither.
func (r *reader) boolean() (value, ok bool) {
	if kind := r.next(); kind != 't' && kind != 'f' {
		r.skip()
		return false, false
	}
	token := r.token()
	return r.err == nil && token.Bool(), true
}

// text reads a string. It returns false if the next value is not a string.
func (r *reader) text() (string, bool) {
	if r.next() != '"' {
		r.skip()
		return "", false
	}
	token := r.token()
	if r.err != nil {
		return "", true
	}
	return token.String(), true
}

// end returns the first error. It also returns an error if anything follows the value that
// was read, or if the line is not valid Unicode.
func (r *reader) end() error {
	if r.err != nil {
		return r.err
	}
	_, err := r.tokens.ReadToken()
	switch {
	case !errors.Is(err, io.EOF):
		return errSyntax
	case !utf8.Valid(r.line):
		return errEncoding
	case text.HasLoneSurrogate(r.line):
		return errEscape
	}
	return nil
}

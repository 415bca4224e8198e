// Package text has the rules for names, descriptions and metadata. The domain packages set
// the limits. internal/http and the commands turn the reasons into messages.
package text

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The reasons for which a text is rejected, besides TooLongError. Each one continues a
// sentence that starts with the name of a field or flag.
var (
	ErrEmpty    = errors.New("must not be empty or only white space")
	ErrControl  = errors.New("must not contain control characters")
	ErrNUL      = errors.New("must not contain U+0000")
	ErrEncoding = errors.New("must be UTF-8")
)

// TooLongError means that the text has more than Max code points.
type TooLongError struct{ Max int }

func (e TooLongError) Error() string { return fmt.Sprintf("must be at most %d characters", e.Max) }

// Line returns s without the white space around it. It must then have 1 to limit code
// points and no control characters. Errors: ErrEncoding, ErrEmpty, TooLongError,
// ErrControl.
func Line(s string, limit int) (string, error) {
	line := strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(line):
		return "", ErrEncoding
	case line == "":
		return "", ErrEmpty
	case utf8.RuneCountInString(line) > limit:
		return "", TooLongError{limit}
	case strings.ContainsFunc(line, unicode.IsControl):
		return "", ErrControl
	}
	return line, nil
}

// Check accepts any text of at most limit code points that PostgreSQL can store: it may
// be empty, and may contain control characters except U+0000. Errors: ErrEncoding,
// TooLongError, ErrNUL.
func Check(s string, limit int) error {
	switch {
	case !utf8.ValidString(s):
		return ErrEncoding
	case utf8.RuneCountInString(s) > limit:
		return TooLongError{limit}
	case strings.ContainsRune(s, 0):
		return ErrNUL
	}
	return nil
}

// Package text has the rules for names, descriptions and metadata, and for the JSON that
// contains them. The domain packages set the limits. internal/http and the commands turn
// the errors into messages.
package text

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The errors for a rejected text, besides TooLongError. The text of each one continues a
// sentence that starts with the name of a field or flag.
var (
	ErrEmpty     = errors.New("must not be empty or only white space")
	ErrInvisible = errors.New("must contain a visible character")
	ErrControl   = errors.New("must not contain control characters")
	ErrSpace     = errors.New("must not begin or end with white space")
	ErrNUL       = errors.New("must not contain U+0000")
	ErrEncoding  = errors.New("must be UTF-8")
)

// TooLongError means that the text has more than Max code points.
type TooLongError struct{ Max int }

func (e TooLongError) Error() string { return fmt.Sprintf("must be at most %d characters", e.Max) }

// Line returns s without the white space around it. It must then have 1 to limit code
// points, at least one of them visible, and no control characters. Errors: ErrEncoding,
// ErrEmpty, TooLongError, ErrControl, ErrInvisible.
func Line(s string, limit int) (string, error) {
	line := strings.TrimSpace(s)
	if err := checkLine(line, limit); err != nil {
		return "", err
	}
	if !strings.ContainsFunc(line, isVisible) {
		return "", ErrInvisible
	}
	return line, nil
}

// CheckID checks an identifier from another system, which orgd compares byte by byte. It
// must have 1 to limit code points, no control characters, and no white space around it.
// Errors: ErrEncoding, ErrEmpty, TooLongError, ErrControl, ErrSpace.
func CheckID(id string, limit int) error {
	line := strings.TrimSpace(id)
	if err := checkLine(line, limit); err != nil {
		return err
	}
	if line != id {
		return ErrSpace
	}
	return nil
}

func checkLine(line string, limit int) error {
	switch {
	case !utf8.ValidString(line):
		return ErrEncoding
	case line == "":
		return ErrEmpty
	case utf8.RuneCountInString(line) > limit:
		return TooLongError{limit}
	case strings.ContainsFunc(line, unicode.IsControl):
		return ErrControl
	}
	return nil
}

// Check returns an error unless s has at most limit code points and PostgreSQL can store
// it. The text may be empty, and may contain control characters except U+0000. Errors:
// ErrEncoding, TooLongError, ErrNUL.
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

package text

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// HasLoneSurrogate reports whether well-formed JSON has an escape for half of a surrogate
// pair, which encoding/json would silently replace.
func HasLoneSurrogate(body []byte) bool {
	for {
		i := bytes.IndexByte(body, '\\')
		if i < 0 {
			return false
		}
		r, size := escaped(body[i:])
		if utf16.IsSurrogate(r) {
			low, lowSize := escaped(body[i+size:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return true
			}
			size += lowSize
		}
		body = body[i+size:]
	}
}

// escaped returns the UTF-16 unit of a \u escape at the start of b and the escape's size,
// or 0 and 2 for any other escape.
func escaped(b []byte) (unit rune, size int) {
	if b[0] != '\\' || b[1] != 'u' {
		return 0, 2
	}
	n, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), 6
}

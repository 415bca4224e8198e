package text

import "unicode"

// IsInvisible reports whether r shows nothing and takes no space: a soft hyphen, a
// zero-width or bidirectional control, a variation selector, a Hangul filler. These are
// the format characters, except those that enclose what follows, and the others that
// Unicode lets a program ignore.
func IsInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// IsBlank reports whether r is white space, or the Braille pattern without dots, which
// looks like it.
func IsBlank(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

func isVisible(r rune) bool { return !IsInvisible(r) && !IsBlank(r) && !unicode.IsControl(r) }

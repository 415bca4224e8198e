package text

import "unicode"

// IsInvisible reports whether r shows nothing and takes no space, such as a soft hyphen,
// a zero-width or bidirectional control, a variation selector or a Hangul filler. These
// are the format characters, except those that enclose the following characters, and the
// other characters that Unicode calls default ignorable.
func IsInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// IsBlank reports whether r is white space or the Braille pattern without dots, which
// looks like a space.
func IsBlank(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

func isVisible(r rune) bool { return !IsInvisible(r) && !IsBlank(r) && !unicode.IsControl(r) }

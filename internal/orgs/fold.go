package orgs

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns s without case and accents. Names are also stored in this form, and the name
// filter searches it. Because Go folds them and not the database, the filter does not
// depend on the database's locale.
//
// It decomposes (NFKD), removes the marks that any script may use (accents, but not the
// vowel signs of a script such as Devanagari), applies full case folding (ß becomes ss),
// and uses the base letter of letters that Unicode does not decompose (ø, ł).
// Fold(Fold(s)) is Fold(s).
func Fold(s string) string {
	if isFoldedASCII(s) {
		return s
	}
	decomposed := norm.NFKD.String(s)
	bare := strings.Map(dropMark, decomposed)
	folded := cases.Fold().String(bare)
	// Case folding can add marks again (ŉ folds to ʼn, İ to i and a dot).
	return baseLetters.Replace(strings.Map(dropMark, norm.NFKD.String(folded)))
}

func isFoldedASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func dropMark(r rune) rune {
	if unicode.Is(unicode.Mn, r) && (unicode.Is(unicode.Inherited, r) || unicode.Is(unicode.Hebrew, r)) {
		return -1
	}
	return r
}

// baseLetters maps letters to those that people type instead of them.
var baseLetters = strings.NewReplacer(
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "ħ", "h", "ŧ", "t", "ı", "i",
	"æ", "ae", "œ", "oe", "þ", "th",
)

package orgs

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns s without case and accents: the form in which names are stored
// beside themselves and searched. Folding here and not in the database makes the
// filter independent of the database's locale.
//
// It decomposes (NFKD), drops the marks that any script may carry (accents, not
// the vowel signs that a script such as Devanagari owns), folds case in full
// (ß becomes ss), and takes the base letter where Unicode has no decomposition
// (ø, ł). Fold(Fold(s)) is Fold(s).
func Fold(s string) string {
	if isFoldedASCII(s) {
		return s
	}
	decomposed := norm.NFKD.String(s)
	bare := strings.Map(dropMark, decomposed)
	folded := cases.Fold().String(bare)
	// Folding can bring marks back (ŉ folds to ʼn, İ to i and a dot).
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

// baseLetters are the letters that people type without their stroke.
var baseLetters = strings.NewReplacer(
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "ħ", "h", "ŧ", "t", "ı", "i",
	"æ", "ae", "œ", "oe", "þ", "th",
)

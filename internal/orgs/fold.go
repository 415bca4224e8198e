package orgs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"orgd/internal/text"
)

// FoldVersion is the version of the rule by which Fold works. It rises with every change of
// a result, because names are stored folded (orgs.org_name_folded, whose comment in the
// schema has the version). See CONTRIBUTING.md for how to change the rule.
const FoldVersion = 1

// MaxFolded is the maximum length of a folded name, in code points: ﷺ becomes 18.
const MaxFolded = 18 * MaxName

// Fold returns s as the name filter compares it. Names are also stored in this form.
// Because Go folds them and not the database, the filter does not depend on the database's
// locale. Fold(Fold(s)) is Fold(s).
//
// The rule, for each character in this order:
//
//  1. Compatibility forms are decomposed (NFKD): ﬁ, Ａ, ㈱, ½.
//  2. Invisible characters are removed (text.IsInvisible), and so is tatweel.
//  3. White space at the ends is removed, and a run of it becomes one space.
//  4. A mark is removed if it is an accent or a vowel point, which people leave out: on
//     Latin, Greek and Cyrillic letters, but not of й, and on Arabic and Hebrew letters. Marks
//     of other scripts make other letters and words, so they stay (Devanagari, Thai, kana).
//  5. Upper case becomes lower case, and the characters of forms become those that people type.
//
// The result is composed (NFC), so that a Hangul syllable is one character, and 가 is not
// found in 각.
//
// It follows the search collation of CLDR at its first level, with these exceptions: kana
// and the marks of most scripts count, and forms adds what people cannot or do not type.
// й is the only accented Cyrillic letter that differs from its base letter at that level
// (Unicode document L2/14-140).
func Fold(s string) string {
	if isFoldedASCII(s) {
		return s
	}
	decomposed := norm.NFKD.String(spacingAccents.Replace(s))
	var b strings.Builder
	b.Grow(len(decomposed))
	var base rune // the character that a mark belongs to, or 0 at the start and after white space
	for _, r := range decomposed {
		switch {
		case r < utf8.RuneSelf && !unicode.IsSpace(r):
			b.WriteByte(lowerASCII(byte(r)))
		case text.IsInvisible(r) || r == tatweel:
			continue // a mark after it still belongs to base
		case text.IsBlank(r):
			endWord(&b)
			r = 0
		case unicode.Is(unicode.M, r):
			if !isAccent(base, r) {
				b.WriteRune(r)
			}
			continue
		default:
			writeLetter(&b, r)
		}
		base = r
	}
	return norm.NFC.String(strings.TrimSuffix(b.String(), " "))
}

// isFoldedASCII spares most names in ASCII the work.
func isFoldedASCII(s string) bool {
	previous := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c != lowerASCII(c) || c < ' ' || c == ' ' && previous == ' ' {
			return false
		}
		previous = c
	}
	return s == "" || previous != ' '
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// endWord writes a space, unless one precedes it or the text begins here.
func endWord(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != ' ' {
		b.WriteByte(' ')
	}
}

// isAccent reports whether people leave out the mark after base. If base is 0, the mark's
// own script decides.
func isAccent(base, mark rune) bool {
	const breve = '\u0306'
	if mark == breve && (base == 'и' || base == 'И') {
		return false
	}
	if base == 0 {
		base = mark
	}
	return unicode.Is(unicode.Mn, mark) &&
		unicode.In(base, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew, unicode.Inherited)
}

func writeLetter(b *strings.Builder, r rune) {
	// By way of upper case, ς becomes σ and ı becomes i.
	r = unicode.ToLower(unicode.ToUpper(r))
	if typed, ok := forms[r]; ok {
		b.WriteString(typed)
	} else {
		b.WriteRune(r)
	}
}

const tatweel = '\u0640'

// spacingAccents are typed as apostrophes. They are replaced first, because NFKD makes a
// space and a mark of them.
var spacingAccents = strings.NewReplacer("\u00B4", "'", "\u0384", "'", "\u1FBD", "'", "\u1FBF", "'", "\u1FFD", "'")

// forms maps characters that Unicode does not decompose to what people type instead of
// them. Keys are lower case.
var forms = map[rune]string{
	// Latin letters.
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'ħ': "h", 'ŧ': "t",
	'ŋ': "n",                               // Sami
	'ə': "e",                               // Azerbaijani
	'ɓ': "b", 'ɗ': "d", 'ƙ': "k", 'ƴ': "y", // Hausa

	// Cyrillic: a letter that older Ukrainian keyboards lack.
	'ґ': "г",

	// Arabic: letters as Persian, Urdu and Egyptian keyboards write them, and ta marbuta,
	// which is often typed as heh. NFKD and isAccent have removed hamza and madda.
	'ک': "ك", 'ی': "ي", 'ى': "ي", 'ٱ': "ا", 'ة': "ه", 'ہ': "ه", 'ۃ': "ه",
	'٠': "0", '١': "1", '٢': "2", '٣': "3", '٤': "4", '٥': "5", '٦': "6", '٧': "7", '٨': "8", '٩': "9",
	'۰': "0", '۱': "1", '۲': "2", '۳': "3", '۴': "4", '۵': "5", '۶': "6", '۷': "7", '۸': "8", '۹': "9",

	// Hebrew: the forms at the end of a word.
	'ך': "כ", 'ם': "מ", 'ן': "נ", 'ף': "פ", 'ץ': "צ",

	// Apostrophes, and letters that look like them: ‘ ’ ‚ ‛ ′ ‵ ‹ › ʹ ʻ ʼ ʽ ʾ ʿ ׳.
	'\u2018': "'", '\u2019': "'", '\u201A': "'", '\u201B': "'", '\u2032': "'", '\u2035': "'", '\u2039': "'", '\u203A': "'",
	'\u02B9': "'", '\u02BB': "'", '\u02BC': "'", '\u02BD': "'", '\u02BE': "'", '\u02BF': "'", '\u05F3': "'",

	// Quotes: “ ” „ ‟ « » 〝 〞 〟 ״.
	'\u201C': `"`, '\u201D': `"`, '\u201E': `"`, '\u201F': `"`, '\u00AB': `"`, '\u00BB': `"`,
	'\u301D': `"`, '\u301E': `"`, '\u301F': `"`, '\u05F4': `"`,

	// Hyphens, dashes and the minus sign: ‐ ‒ – — ― ⁃ − ⸺ ⸻ ֊ ־.
	'\u2010': "-", '\u2012': "-", '\u2013': "-", '\u2014': "-", '\u2015': "-", '\u2043': "-", '\u2212': "-",
	'\u2E3A': "-", '\u2E3B': "-", '\u058A': "-", '\u05BE': "-",

	// The slash of ½.
	'\u2044': "/",
}

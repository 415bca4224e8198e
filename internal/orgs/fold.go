package orgs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"orgd/internal/text"
)

// FoldVersion is the version of the rules of Fold. It must rise with every change of a
// result, because folded names are stored in orgs.org_name_folded. The comment on that
// column in the schema has the same version. CONTRIBUTING.md says how to change the
// rules.
const FoldVersion = 1

// MaxFolded is the maximum length of a folded name, in code points. One character can
// become 18, as ﷺ does.
const MaxFolded = 18 * MaxName

// Fold returns s in the form that the name filter compares. Names are also stored in this
// form. Folding in Go instead of SQL makes the filter independent of the database's
// locale. Fold(Fold(s)) equals Fold(s).
//
// The rules, in the order in which they apply to a character:
//
//  1. Compatibility forms are decomposed (NFKD): ﬁ, Ａ, ㈱, ½.
//  2. Invisible characters (text.IsInvisible) and tatweel are removed.
//  3. White space at both ends is removed. Elsewhere, a run of it becomes one space.
//  4. Accents and vowel points are removed, because people often omit them: marks on Latin,
//     Greek, Cyrillic, Arabic and Hebrew letters, except the breve of й. In other scripts
//     (Devanagari, Thai, kana) a mark makes a different letter or word, so it is kept.
//  5. Upper case becomes lower case, and characters in forms become what people type.
//
// The result is composed (NFC). A Hangul syllable is therefore one character, and a
// search for 가 does not find 각.
//
// The rules follow the primary level of CLDR's search collation, with these exceptions:
// hiragana and katakana differ, the marks of most scripts are significant, and forms adds
// replacements for characters that people cannot or do not type. At the primary level, й
// is the only accented Cyrillic letter that differs from its base letter (Unicode
// document L2/14-140).
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

// isFoldedASCII reports whether s is ASCII that Fold would not change. Fold then skips
// the rest of its work.
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

// endWord writes a space, unless the text is empty or ends with one.
func endWord(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != ' ' {
		b.WriteByte(' ')
	}
}

// isAccent reports whether people often omit this mark on the base character. If base is
// 0, the script of the mark decides.
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
	// ToUpper comes first, so that ς becomes σ and ı becomes i.
	r = unicode.ToLower(unicode.ToUpper(r))
	if typed, ok := forms[r]; ok {
		b.WriteString(typed)
	} else {
		b.WriteRune(r)
	}
}

const tatweel = '\u0640'

// spacingAccents replaces free-standing accents, which people type as apostrophes. It
// must run before NFKD, which turns each of them into a space and a mark.
var spacingAccents = strings.NewReplacer("\u00B4", "'", "\u0384", "'", "\u1FBD", "'", "\u1FBF", "'", "\u1FFD", "'")

// forms maps characters that Unicode does not decompose to what people type instead. Its
// keys are lower case.
var forms = map[rune]string{
	// Latin letters.
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'ħ': "h", 'ŧ': "t",
	'ŋ': "n",                               // Sami
	'ə': "e",                               // Azerbaijani
	'ɓ': "b", 'ɗ': "d", 'ƙ': "k", 'ƴ': "y", // Hausa

	// Cyrillic: a letter that older Ukrainian keyboards lack.
	'ґ': "г",

	// Arabic: letters and digits of Persian, Urdu and Egyptian keyboards, and ta marbuta,
	// which is often typed as heh. Hamza and madda are already removed here, by NFKD and
	// isAccent.
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

	// The fraction slash, which NFKD writes for ½.
	'\u2044': "/",
}

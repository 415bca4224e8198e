package orgs

import "strings"

// namePattern is the LIKE pattern for names that contain the filter literally.
func (l listQuery) namePattern() string {
	return "%" + likeLiteral.Replace(l.folded) + "%"
}

var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// hasTrigram says whether pg_trgm can look s up: it takes three letters or
// digits in a row. Which of those beyond ASCII it knows depends on the
// database's locale, so they do not count.
func hasTrigram(s string) bool {
	run := 0
	for _, r := range s {
		if !isASCIIAlphanumeric(r) {
			run = 0
			continue
		}
		if run++; run == 3 {
			return true
		}
	}
	return false
}

func isASCIIAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// grams returns those of org_name_grams that a name which contains s has: each
// pair of adjacent characters, or the only one.
func grams(s string) []string {
	runes := []rune(s)
	if len(runes) == 1 {
		return []string{s}
	}
	pairs := make([]string, 0, len(runes))
	for i := range len(runes) - 1 {
		pairs = append(pairs, string(runes[i:i+2]))
	}
	return pairs
}

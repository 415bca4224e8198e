package orgs

import "strings"

// contains returns the condition for names that contain the text. If the text has no
// trigram, its grams find candidates in the index, and strpos checks them. With LIKE, the
// planner would expect to read the whole index.
func (s *statement) contains(q listQuery) string {
	if hasTrigram(q.folded) {
		return " AND org_name_folded LIKE " + s.bind(q.namePattern())
	}
	return ` AND org_name_grams(org_name_folded) COLLATE "C" @> ` + s.bind(grams(q.folded)) +
		" AND strpos(org_name_folded, " + s.bind(q.folded) + ") > 0"
}

// namePattern returns the LIKE pattern for names that contain the filter literally.
func (l listQuery) namePattern() string {
	return "%" + likeLiteral.Replace(l.folded) + "%"
}

var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// hasTrigram reports whether pg_trgm can look up s: it needs three letters or digits in a
// row. Characters beyond ASCII do not count, because the database's locale decides which
// of them are letters.
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

// grams returns the values of org_name_grams that every name containing s has: each pair
// of adjacent characters, or the only character.
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

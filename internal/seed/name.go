package seed

import "strconv"

// A locale generates the names of one part of the world. A name comes from a pattern,
// sometimes followed by a branch. In both, a dollar sign and a letter are a placeholder:
//
//	$s surname   $c city   $t trade   $l legal form   $b brand   $n number
type locale struct {
	percent  int64 // share of all names; the sum over the locales is 100
	patterns []string
	branches []string

	surnames []string
	cities   []string
	trades   []string
	legal    []string
}

// appendName appends a random name: a pattern of one locale, and for about a third of the
// names a branch.
func appendName(b []byte, r *rng) []byte {
	l := pickLocale(r)
	b = l.expand(b, r.pick(l.patterns), r)
	if r.percent(35) {
		b = l.expand(b, r.pick(l.branches), r)
	}
	return b
}

func pickLocale(r *rng) *locale {
	left := r.below(100)
	for i := 0; ; i++ {
		if left -= locales[i].percent; left < 0 {
			return &locales[i]
		}
	}
}

func (l *locale) expand(b []byte, pattern string, r *rng) []byte {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '$' {
			b = append(b, pattern[i])
			continue
		}
		i++
		b = l.appendWord(b, pattern[i], r)
	}
	return b
}

func (l *locale) appendWord(b []byte, kind byte, r *rng) []byte {
	switch kind {
	case 's':
		return append(b, r.pick(l.surnames)...)
	case 'c':
		return append(b, r.pick(l.cities)...)
	case 't':
		return append(b, r.pick(l.trades)...)
	case 'l':
		return append(b, r.pick(l.legal)...)
	case 'b':
		b = append(b, r.pick(brandStarts)...)
		return append(b, r.pick(brandEnds)...)
	case 'n':
		return strconv.AppendInt(b, 2+r.skewed(998), 10)
	}
	panic("seed: no word for $" + string(kind))
}

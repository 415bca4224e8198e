package localpg

import (
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// usualPlaces is where packages put PostgreSQL: Debian's, Homebrew's on either kind
// of Mac, PostgreSQL's own for Red Hat, and Postgres.app.
var usualPlaces = []string{
	"usr/lib/postgresql/*/bin",
	"opt/homebrew/opt/postgresql@*/bin",
	"opt/homebrew/opt/postgresql/bin",
	"usr/local/opt/postgresql@*/bin",
	"usr/local/opt/postgresql/bin",
	"usr/pgsql-*/bin",
	"Applications/Postgres.app/Contents/Versions/*/bin",
}

// candidates goes through the directories that may have the programs, in the order
// in which they are preferred.
func (s search) candidates() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, dir := range s.pathDirs() {
			if !yield(dir) {
				return
			}
		}
		if dir := s.configured(); dir != "" && !yield(dir) {
			return
		}
		for _, place := range usualPlaces {
			for _, dir := range newestFirst(filepath.Join(s.root, place)) {
				if !yield(dir) {
					return
				}
			}
		}
	}
}

// pathDirs are the directories of PATH, without those that depend on where we are.
func (s search) pathDirs() []string {
	return slices.DeleteFunc(filepath.SplitList(s.path), func(dir string) bool { return !filepath.IsAbs(dir) })
}

// configured asks the first pg_config along PATH, and returns "" if none answers:
// it is often missing or for developers only.
func (s search) configured() string {
	for _, dir := range s.pathDirs() {
		program := filepath.Join(dir, "pg_config")
		if !isProgram(program) {
			continue
		}
		if bin, err := s.output(program, "--bindir"); err == nil && filepath.IsAbs(bin) {
			return bin
		}
	}
	return ""
}

// newestFirst returns what matches the pattern, by the version that stands for its
// asterisk.
func newestFirst(pattern string) []string {
	before, after, _ := strings.Cut(pattern, "*")
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // our patterns are well formed; a root with a bracket has no place
	}
	version := func(dir string) []int {
		return numbers(strings.TrimSuffix(strings.TrimPrefix(dir, before), after))
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return slices.Compare(version(b), version(a)) })
	return dirs
}

// numbers returns the runs of digits in s: 9.6 is less than 15.
func numbers(s string) []int {
	var found []int
	for _, digits := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) {
		if n, err := strconv.Atoi(digits); err == nil {
			found = append(found, n)
		}
	}
	return found
}

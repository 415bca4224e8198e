package orgs_test

import (
	"testing"
	"unicode/utf8"

	"orgd/internal/orgs"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"acme":               "acme",
		"ACME Inc.":          "acme inc.",
		"Café Zürich":        "cafe zurich",
		"Cafe\u0301":         "cafe",
		"Łódź":               "lodz",
		"Øresund Æble Œuvre": "oresund aeble oeuvre",
		"Straße":             "strasse",
		"STRASSE":            "strasse",
		"İstanbul":           "istanbul",
		"ΕΛΛΆΣ":              "ελλασ",
		"Ελλάς":              "ελλασ",
		"Київ":               "киів",
		"ﬁnance Ⅳ ＡＢＣ":       "finance iv abc",
		"हिन्दी":             "हिन्दी",
		"がく":                 "かく",
		"100%_\\":            "100%_\\",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if got := orgs.Fold(in); got != want {
				t.Errorf("Fold(%q) = %q, want %q", in, got, want)
			}
		})
	}
}

func FuzzFoldIsStable(f *testing.F) {
	f.Add("Café Łódź Straße ŉ İ ẞ ﬃ")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		once := orgs.Fold(s)
		if !utf8.ValidString(once) {
			t.Fatalf("Fold(%q) = %q is not UTF-8", s, once)
		}
		if twice := orgs.Fold(once); twice != once {
			t.Fatalf("Fold(%q) = %q, folded again %q", s, once, twice)
		}
	})
}

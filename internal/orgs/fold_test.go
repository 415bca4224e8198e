package orgs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"unicode"
	"unicode/utf8"

	"orgd/internal/orgs"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for script, names := range map[string]map[string]string{
		"ASCII": {
			"":          "",
			"acme":      "acme",
			"ACME Inc.": "acme inc.",
			"100%_\\":   "100%_\\",
			"`~^":       "`~^",
		},
		"white space": {
			" ":                            "",
			"  Acme \t Inc \n":             "acme inc",
			"Acme\u00a0Inc\u2003\u3000Ltd": "acme inc ltd",
			"Acme\u2800Inc":                "acme inc", // a Braille pattern without dots
			"a\u200b \u200bb":              "a b",
		},
		"invisible characters": {
			"Ac\u00adme":                     "acme",
			"\ufeffAcme\u200b":               "acme",
			"\u202aAcme\u202c":               "acme",
			"A\u200dc\u2060me\u034f":         "acme",
			"\u3164Acme\uffa0\u115f":         "acme",
			"e\u200d\u0301":                  "e", // the accent still applies to the e
			"\u00ad\u200b\u2800":             "",
			"葛\U000e0100飾":                   "葛飾", // an ideographic variant
			"\u0600١":                        "\u06001",
			"\u061c\u200f\u200e\u2066\u2069": "",
		},
		"punctuation": {
			"O’Neill O‘Neill OʼNeill O´Neill O′Neill": "o'neill o'neill o'neill o'neill o'neill",
			"Hawaiʻi": "hawai'i",
			"“Acme” „Acme“ «Acme» 〝Acme〟": `"acme" "acme" "acme" "acme"`,
			"‹Acme›": "'acme'",
			"A‐B A‑B A–B A—B A−B A﹣B A－B": "a-b a-b a-b a-b a-b a-b a-b",
			"Acme…": "acme...",
		},
		"compatibility forms": {
			"ﬁnance Ⅳ ＡＢＣ ™ ½ m² №5": "finance iv abc tm 1/2 m2 no5",
			"≠ ≮":                    "≠ ≮", // not = and <
			"𝐀𝓬𝕞𝔢":                   "acme",
		},
		"Latin": {
			"Café Zürich":                 "cafe zurich",
			"Cafe\u0301":                  "cafe",
			"Łódź Ħal Ŧ":                  "lodz hal t",
			"Øresund Æble Œuvre":          "oresund aeble oeuvre",
			"Þór Ðà Đakovo Ŋ ŉ":           "thor da dakovo n 'n",
			"Bakı Şəhər":                  "baki seher",
			"Ɓauchi Ɗan Ƙasa Ƴar":         "bauchi dan kasa yar",
			"Ǆ ǰ Å":                       "dz j a",
			"a\u0301\u0323 a\u0323\u0301": "a a",
		},
		"German": {
			"Straße STRASSE STRAẞE": "strasse strasse strasse",
			"Müller Mu\u0308ller":   "muller muller", // but not Mueller
		},
		"Turkish": {
			"İstanbul ISPARTA ısparta": "istanbul isparta isparta",
			"Çağ Öz Şişli":             "cag oz sisli",
		},
		"Vietnamese": {
			"Công ty Điện lực Thừa Thiên Huế": "cong ty dien luc thua thien hue",
			"Nước Việt Ở ỗ ặ":                 "nuoc viet o o a",
		},
		"Greek": {
			"ΕΛΛΆΣ Ελλάς ελλας": "ελλασ ελλασ ελλασ",
			"Μαΐου Ωδή":         "μαιου ωδη",
			"ᾳ Ἀθῆναι":          "α αθηναι",
		},
		"Cyrillic": {
			"Йод йод И\u0306од": "йод йод йод",
			"Иод":               "иод", // й is a letter
			"Семён Семен":       "семен семен",
			"Київ Білоруў Ѓоре": "киів білоруу горе",
			"Ґрунт":             "грунт",
			"ѝ Ӣ за\u0301мок":   "и и замок",
			"П’ять П'ять Пʼять": "п'ять п'ять п'ять",
			"ООО «Ромашка»":     `ооо "ромашка"`,
		},
		"Arabic and Persian": {
			"كتاب کتاب":           "كتاب كتاب",
			"علي علی على":         "علي علي علي",
			"أحمد إحمد آحمد ٱحمد": "احمد احمد احمد احمد",
			"مؤسسة مؤسسه موسسه":   "موسسه موسسه موسسه",
			"شركة شرکت":           "شركه شركت",
			"مُحَمَّدٌ":           "محمد",
			"شـــركـة":            "شركه",
			"می\u200cخواهم":       "ميخواهم",
			"۱۲۳ ١٢٣":             "123 123",
			"ﺷﺮﻛﺔ ﷲ":              "شركه الله",
			"ہ ۃ":                 "ه ه",
			"کھ کہ ے ی":           "كھ كه ے ي", // letters of Urdu stay distinct
			"پ چ ژ گ":             "پ چ ژ گ",
		},
		"Hebrew": {
			"שָׁלוֹם שלום":    "שלומ שלומ",
			"ארץ כף":          "ארצ כפ",
			`בע״מ בע"מ צ׳כיה`: `בע"מ בע"מ צ'כיה`,
			"תל־אביב":         "תל-אביב",
			"\ufb2a":          "ש",
		},
		"Devanagari": {
			"हिन्दी":           "हिन्दी",
			"हन्द":             "हन्द",
			"\u0958 क\u093c क": "क\u093c क\u093c क",
			"क\u094d\u200dष":   "क\u094dष",
			"\u093f":           "\u093f",
		},
		"Thai": {
			"บริษัท น้ำ": "บริษัท น\u0e49\u0e4d\u0e32",
			"ป่า ปา":     "ป่า ปา",
		},
		"Japanese": {
			"がく ガク":      "がく ガク",
			"ｶﾞｸ ﾊﾟ ﾄﾖﾀ": "ガク パ トヨタ",
			"か\u3099":    "が",
			"㈱東京 ㍿ ソニー":  "(株)東京 株式会社 ソニー",
			"ＮＴＴ　データ":    "ntt データ",
		},
		"Korean": {
			"각 가":          "각 가",
			"\u1100\u1161": "가",
			"㈜카카오":         "(주)카카오",
			"ㅋㅋ":           "\u110f\u110f",
		},
		"Chinese": {
			"ＡＢＣ（中国）有限公司": "abc(中国)有限公司",
			"中國 中国":       "中國 中国",
			"⼀ 豈":         "一 豈",
		},
		"emoji": {
			"👨‍👩‍👧 ❤️ ❤": "👨👩👧 ❤ ❤",
			"👍🏽":         "👍🏽",
			"1️⃣":        "1\u20e3",
			"🏳️‍🌈 Acme":  "🏳🌈 acme",
		},
		"marks without a letter": {
			"\u0301":          "",
			"¨ \u0301a":       "a",
			"\u05b0 \u064e":   "",
			"a \u3099":        "a",
			"क\u0301 1\u0301": "क\u0301 1\u0301",
		},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			for in, want := range names {
				t.Run(in, func(t *testing.T) {
					t.Parallel()
					if got := orgs.Fold(in); got != want {
						t.Errorf("Fold(%+q) = %+q, want %+q", in, got, want)
					}
				})
			}
		})
	}
}

// foldDigest is a digest of Fold's results for all characters, in version 1 and with
// Unicode 15.
const foldDigest = "7f9bcf4c94839220"

// Names are stored folded, so a changed result needs a new FoldVersion. A newer version
// of Unicode assigns new characters, which changes only the digest.
func TestFoldMatchesItsVersion(t *testing.T) {
	t.Parallel()
	digest := sha256.New()
	for r := range unicode.MaxRune + 1 {
		if !utf8.ValidRune(r) {
			continue
		}
		// Each character follows a letter whose marks Fold removes, and a letter whose marks
		// it keeps.
		fmt.Fprintln(digest, orgs.Fold("a"+string(r)+"क"+string(r)))
	}
	if got := hex.EncodeToString(digest.Sum(nil)[:8]); got != foldDigest {
		t.Errorf("the results have changed (digest %s, Unicode %s): see FoldVersion", got, unicode.Version)
	}
}

// The comment of org_name_folded in the schema names the version of Fold that folded the
// stored names.
func TestSchemaHasTheFoldVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var comment string
	err := b.Pool.QueryRow(context.Background(), `
SELECT col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = 'orgs'::regclass AND attname = 'org_name_folded'`).Scan(&comment)
	if want := fmt.Sprintf("orgs.Fold, version %d", orgs.FoldVersion); err != nil || comment != want {
		t.Errorf("the comment is %q (%v), want %q", comment, err, want)
	}
}

func FuzzFoldIsStable(f *testing.F) {
	f.Add("Café Łódź Straße ŉ İ ẞ ﬃ")
	f.Add("И\u200d\u0306 \u0301 =\u0345\u0301 ﷺ ᄀ\u00adᅡ ｶﾞ \u05f3\u0301")
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
		if most := orgs.MaxFolded / orgs.MaxName * utf8.RuneCountInString(s); utf8.RuneCountInString(once) > most {
			t.Fatalf("Fold(%q) = %q has more than %d characters", s, once, most)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for _, name := range []string{"kvarnby logistics 4711", "Kvarnby Logistics 4711", "Åkesson & Søn Fjärrvärme AB", "ООО «Ромашка»", "주식회사 카카오"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				orgs.Fold(name)
			}
		})
	}
}

package http

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"Acme":                               "Acme",
		"  Acme  Ltd ":                       "Acme  Ltd",
		"\t\n\u0085\u00a0\u2003Acme\u3000\r": "Acme",
		strings.Repeat("é", 255):             strings.Repeat("é", 255),
		" " + strings.Repeat("😀", 255):       strings.Repeat("😀", 255),
		"\u200b�\ufeff":                      "\u200b�\ufeff",
	} {
		var name string
		if bad := decoded(t, `{"orgName":`+quoted(t, raw)+`}`, nameField(&name).must()); bad != nil || name != want {
			t.Errorf("%q: %q, %v", raw, name, bad)
		}
	}
	for raw, code := range map[string]string{
		`""`: "required", `" \n\u2003"`: "required",
		`"\u200b"`: "invalid", `"\u3164\u2800"`: "invalid",
		`"` + strings.Repeat("é", 256) + `"`: "too_long",
		`"a\u0000"`:                          "invalid", `"a\u0000b"`: "invalid", `"a\nb"`: "invalid", `"a\tb"`: "invalid", `"\u007f"`: "invalid", `"a\u0085b"`: "invalid", `"a\u009f"`: "invalid",
		"null": "wrong_type", "1": "wrong_type", "true": "wrong_type", "{}": "wrong_type", `["a"]`: "wrong_type",
	} {
		want := []string{"orgName " + code}
		if diff := cmp.Diff(want, decoded(t, `{"orgName":`+raw+`}`, nameField(new(string)))); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func pairs(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"%d":""`, i))
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	longKey, longValue := strings.Repeat("😀", 100), strings.Repeat("😀", 1000)
	for raw, want := range map[string]map[string]string{
		"{}":                              {},
		`{"plan":"pro"}`:                  {"plan": "pro"},
		`{"Plan":"","plan":"\t<\u0061>"}`: {"Plan": "", "plan": "\t<a>"},
		`{" a.b ":"x"}`:                   {" a.b ": "x"},
		`{"` + longKey + `":"` + longValue + `"}`: {longKey: longValue},
	} {
		var metadata map[string]string
		bad := decoded(t, `{"metadata":`+raw+`}`, metadataField(&metadata))
		if diff := cmp.Diff(want, metadata); bad != nil || diff != "" {
			t.Errorf("%s: %v %s", raw, bad, diff)
		}
	}
	if bad := decoded(t, `{"metadata":`+pairs(50)+`}`, metadataField(new(map[string]string))); bad != nil {
		t.Errorf("50 pairs: %v", bad)
	}
	for raw, want := range map[string][]string{
		"null": {"metadata wrong_type"}, "[]": {"metadata wrong_type"}, `"a"`: {"metadata wrong_type"}, "1": {"metadata wrong_type"}, "false": {"metadata wrong_type"},
		pairs(51):                  {"metadata too_many"},
		`{"":"x"}`:                 {"metadata. invalid"},
		`{"` + longKey + `a":"x"}`: {"metadata." + strings.Repeat("😀", 99) + "… too_long"},
		`{"a\u0000":"x"}`:          {"metadata.a\x00 invalid"},
		`{"a":"` + longValue + `a","b":"\u0000","c":null,"d":1,"e":{},"f":["x"],"g":true,"h":"good"}`: {
			"metadata.a too_long", "metadata.b invalid", "metadata.c wrong_type", "metadata.d wrong_type",
			"metadata.e wrong_type", "metadata.f wrong_type", "metadata.g wrong_type",
		},
	} {
		if diff := cmp.Diff(want, decoded(t, `{"metadata":`+raw+`}`, metadataField(new(map[string]string)))); diff != "" {
			t.Errorf("%.100s: %s", raw, diff)
		}
	}
}

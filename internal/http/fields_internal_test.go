package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"orgd/internal/uuid"
)

// decoded reads a body into the fields, and returns what is wrong as
// "field code".
func decoded(t *testing.T, body string, fields ...field) []string {
	t.Helper()
	o, err := parseObject([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	err = o.decode(fields...)
	if err == nil {
		return nil
	}
	var refused *apiError
	if !errors.As(err, &refused) || refused.code != codeInvalidField {
		t.Fatalf("%s: %v", body, err)
	}
	var bad []string
	for _, one := range refused.bad {
		if one.Detail == "" {
			t.Errorf("%s is rejected without a detail", one.Field)
		}
		bad = append(bad, one.Field+" "+string(one.Code))
	}
	return bad
}

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

func TestUserIDs(t *testing.T) {
	t.Parallel()
	const one = "usr_00000000000000000000000000000001"
	var id uuid.UUID
	if bad := decoded(t, `{"userId":"`+one+`"}`, userIDField(&id).must()); bad != nil || id != (uuid.UUID{15: 1}) {
		t.Errorf("%s: %s, %v", one, id, bad)
	}
	for raw, code := range map[string]string{
		`""`: "invalid", `"` + one + ` "`: "invalid", `"org_00000000000000000000000000000001"`: "invalid", `"usr_0000000000000000000000000000000A"`: "invalid",
		"null": "wrong_type", "1": "wrong_type", `["` + one + `"]`: "wrong_type",
	} {
		if diff := cmp.Diff([]string{"userId " + code}, decoded(t, `{"userId":`+raw+`}`, userIDField(new(uuid.UUID)))); diff != "" {
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

// A change distinguishes a missing field, an empty one and null.
func TestOptionalFields(t *testing.T) {
	t.Parallel()
	type change struct {
		Name     *string
		Metadata *map[string]string
	}
	name, none, some := "Acme", map[string]string{}, map[string]string{"a": "b"}
	for body, want := range map[string]change{
		"{}":                                 {},
		`{"orgName":"Acme"}`:                 {Name: &name},
		`{"metadata":{"a":"b"}}`:             {Metadata: &some},
		`{"metadata":{}}`:                    {Metadata: &none},
		`{"metadata":null}`:                  {Metadata: &none},
		`{"metadata": null }`:                {Metadata: &none},
		`{"orgName":"Acme","metadata":null}`: {Name: &name, Metadata: &none},
	} {
		var got change
		bad := decoded(t, body, optional(&got.Name, nameField), optional(&got.Metadata, clearableMetadataField))
		if diff := cmp.Diff(want, got); bad != nil || diff != "" {
			t.Errorf("%s: %v %s", body, bad, diff)
		}
	}
	for body, want := range map[string]string{
		`{"orgName":null}`:        "orgName wrong_type",
		`{"orgName":" "}`:         "orgName required",
		`{"metadata":[]}`:         "metadata wrong_type",
		`{"metadata":"null"}`:     "metadata wrong_type",
		`{"metadata":{"a":null}}`: "metadata.a wrong_type",
	} {
		var got change
		bad := decoded(t, body, optional(&got.Name, nameField), optional(&got.Metadata, clearableMetadataField))
		if diff := cmp.Diff([]string{want}, bad); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestAllWrongFieldsAreListed(t *testing.T) {
	t.Parallel()
	body := `{"orgname":"x","metadata":{"z":1,"a":null},"OrgName":"x","isActive":true,"":1}`
	want := []string{
		" unknown", "OrgName unknown", "isActive unknown", "metadata.a wrong_type", "metadata.z wrong_type",
		"orgName required", "orgname unknown",
	}
	for range 20 { // the order must not depend on the map
		got := decoded(t, body, nameField(new(string)).must(), metadataField(new(map[string]string)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	if diff := cmp.Diff([]string{"a unknown"}, decoded(t, `{"a":1}`)); diff != "" {
		t.Errorf("where there is no field: %s", diff)
	}
}

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	var name string
	server := newBodyServer(t, func(c echo.Context) error {
		if err := decodeBody(c, true, nameField(&name).must()); err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, []byte("{}"))
	})
	if w := serve(server, jsonRequest(`{"orgName":" Acme"}`)); w.Code != http.StatusOK || name != "Acme" {
		t.Errorf("%d %s: %q", w.Code, w.Body, name)
	}
	wantProblem(t, serve(server, jsonRequest("")), http.StatusBadRequest, codeInvalidBody)
	p := wantProblem(t, serve(server, jsonRequest("{}")), http.StatusUnprocessableEntity, codeInvalidField)
	if p.Detail != "orgName: This field is required." || len(p.Errors) != 1 {
		t.Errorf("%+v", p)
	}
	p = wantProblem(t, serve(server, jsonRequest(`{"name":1,"orgName":"x"}`)), http.StatusUnprocessableEntity, codeInvalidField)
	if p.Detail != "name: Unknown field. This call takes orgName." {
		t.Errorf("%+v", p)
	}
}

func TestMissingBodyHasNoFields(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, func(c echo.Context) error {
		if err := decodeBody(c, false); err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, []byte("{}"))
	})
	for _, body := range []string{"", "{}"} {
		if w := serve(server, jsonRequest(body)); w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
	wantProblem(t, serve(server, jsonRequest(`{"a":1}`)), http.StatusUnprocessableEntity, codeInvalidField)
}

// However many errors a body has, the answer stays small.
func TestErrorsStaySmall(t *testing.T) {
	t.Parallel()
	var wrong []string
	for i := range 900 {
		wrong = append(wrong, fmt.Sprintf(`"%s%d":1`, strings.Repeat("x", 100), i))
	}
	o, err := parseObject([]byte("{" + strings.Join(wrong, ",") + "}"))
	if err != nil {
		t.Fatal(err)
	}
	bad := asAPIError(o.decode(nameField(new(string)))).bad
	if len(bad) != maxListedErrors || bad[0].Field != strings.Repeat("x", 99)+"…" {
		t.Errorf("%d errors, the first %+v", len(bad), bad[0])
	}
}

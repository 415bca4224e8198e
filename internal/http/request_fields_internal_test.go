package http

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
)

// decoded decodes a body into the fields. It returns the errors as "field code".
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
	var rejected *apiError
	if !errors.As(err, &rejected) || rejected.code != codeInvalidField {
		t.Fatalf("%s: %v", body, err)
	}
	var bad []string
	for _, one := range rejected.bad {
		if one.Detail == "" {
			t.Errorf("%s is rejected without a detail", one.Field)
		}
		bad = append(bad, one.Field+" "+string(one.Code))
	}
	return bad
}

// A change distinguishes fields that are missing, empty or null.
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
		t.Errorf("without known fields: %s", diff)
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
	if p.Detail != "name: Unknown field. Allowed here: orgName." {
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

// The number of listed errors and the length of a field name in an error are limited.
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

func TestCompareNames(t *testing.T) {
	t.Parallel()
	sorted := []string{"2", "10", "add", "add.2", "add.2.roles.9", "add.2.roles.10", "add.2.userId", "add.10", "add.x", "metadata.1a", "metadata.a.1", "metadata.a.b"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareNames(a, b); got != min(1, max(-1, i-j)) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

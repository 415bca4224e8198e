package http_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// detail names every wrong field, up to a limit, because some clients show only detail.
func TestDetailNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for body, want := range map[string]string{
		`{"orgName":7}`: "orgName: Must be a string.",
		`{"orgName":"","metadata":{"a":1},"color":true}`: "color: Unknown field. Allowed here: createdAt, createdByUserId, externalId, isActive, metadata, orgId and orgName. " +
			"metadata.a: Must be a string. orgName: Must not be empty or only white space.",
	} {
		t.Run(body, func(t *testing.T) {
			if p := a.do(t, http.MethodPost, "/v1/orgs", body).rejected(t, 422, "invalid_field"); p.Detail != want {
				t.Errorf("%s: %s, want %s", body, p.Detail, want)
			}
		})
	}
	p := a.do(t, http.MethodPost, a.create(t, "Acme")+"/deactivate", `{"b":1,"a":1}`).rejected(t, 422, "invalid_field")
	if want := "a: Unknown field. Allowed here: revision. b: Unknown field. Allowed here: revision."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}
	p = a.get(t, "/v1/orgs?limit=0&isActive=x").rejected(t, 400, "invalid_parameter")
	if want := "isActive: Must be true or false. limit: Must be a whole number from 1 to 100."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}
	p = a.get(t, "/v1/orgs?x=0&limit=1&limit=2").rejected(t, 400, "repeated_parameter")
	if want := "limit: Repeated parameter. Send it once. x: Unknown parameter. This call takes before, createdFrom, createdTo, cursor, externalId, isActive, limit, order, orgId, orgName, orgNameIs, total, userId and metadata[key]."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}

	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf(`"%03d%s":1`, i, strings.Repeat("é", 200))
	}
	p = a.do(t, http.MethodPost, "/v1/orgs", "{"+strings.Join(many, ",")+"}").rejected(t, 422, "invalid_field")
	if len(p.Errors) != 100 || len(p.Detail) > 1100 || !strings.HasSuffix(p.Detail, " And 148 more.") {
		t.Errorf("%d errors, %d bytes: %s", len(p.Errors), len(p.Detail), p.Detail)
	}
}

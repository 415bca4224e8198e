package http_test

import (
	"net/http"
	"sync"
	"testing"
)

func TestConditionalRead(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for value, status := range map[string]int{
		`"1"`: 304, `W/"1"`: 304, `*`: 304, ` "0" , "1"`: 304, `,, "x,y", W/"1"`: 304,
		`w/"1"`: 304, `"1-gzip"`: 304, `W/"1--br"`: 304, `"2", "1"-gzip`: 304,
		`"2"`: 200, `"01"`: 200, `"a"`: 200, `W/"2", "3"`: 200, `"2-gzip"`: 200, `W/"1-x"`: 200,
		``: 400, `"1 "`: 400, `1`: 400, `"1`: 400, `"1" "2"`: 400, `*, "1"`: 400, `W/`: 400,
	} {
		t.Run(value, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := a.do(t, method, path, "", "If-None-Match", value)
				if got.status != status {
					t.Errorf("%s, If-None-Match %s: %d, want %d: %s", method, value, got.status, status, got.body)
				}
				if status == 400 {
					continue
				}
				for name, want := range map[string]string{"ETag": `"1"`, "Cache-Control": "private, no-cache", "Vary": "Authorization"} {
					if h := joined(got.header.Values(name)); h != want {
						t.Errorf("%s, If-None-Match %s: %s %q", method, value, name, h)
					}
				}
				if status == 304 && (len(got.body) > 0 || got.header.Get("Content-Type") != "") {
					t.Errorf("%s, If-None-Match %s: a 304 with %s %q", method, value, got.header.Get("Content-Type"), got.body)
				}
			}
		})
	}
	if got := a.do(t, http.MethodGet, path, "", "If-None-Match", `"7"`, "If-None-Match", `"1"`); got.status != 304 {
		t.Errorf("two headers: %d", got.status)
	}
}

func TestConditionalChange(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for _, call := range []struct{ method, target, body string }{
		{http.MethodPatch, path, `{"orgName":"Other"}`},
		{http.MethodPatch, path, `{}`},
		{http.MethodPost, path + "/deactivate", ""},
		{http.MethodPost, path + "/reactivate", ""},
		{http.MethodPost, path + "/users", member(userOne)},
		{http.MethodDelete, path + "/users", member(userOne)},
		{http.MethodPatch, path + "/users", `{"add":[{"userId":"u"}]}`},
		{http.MethodPut, path + "/users/u", ""},
		{http.MethodDelete, path + "/users/u", ""},
		{http.MethodPatch, path + "/metadata", `{"a":"b"}`},
		{http.MethodDelete, path, ""},
	} {
		t.Run(call.method+" "+call.target, func(t *testing.T) {
			for _, value := range []string{`"2"`, `W/"2"`, `"2-gzip"`, `"01"`, `"1x"`, `W/"1-x"`, `"x"`, `"-1"`, `"99999999999999999999"`} {
				t.Run("If-Match "+value, func(t *testing.T) {
					got := a.do(t, call.method, call.target, call.body, "If-Match", value)
					got.rejected(t, 412, "precondition_failed")
					if tag := got.header.Get("ETag"); tag != `"1"` {
						t.Errorf("%s %s, If-Match %s: ETag %q", call.method, call.target, value, tag)
					}
				})
			}
			for _, value := range []string{``, ` `, `1`, `"1`, `*, "1"`, `"1";"2"`} {
				t.Run("malformed If-Match "+value, func(t *testing.T) {
					a.do(t, call.method, call.target, call.body, "If-Match", value).rejected(t, 400, "invalid_request")
				})
			}
		})
	}
	if tag := a.get(t, path).header.Get("ETag"); tag != `"1"` {
		t.Errorf("a rejected change changed the ETag to %s", tag)
	}
	for i, value := range []string{`"1"`, `"7", "2"`, `W/"3"`, `"4-gzip"`, `W/"5--zstd"`, `"6"-gzip`, `*`} {
		t.Run(value, func(t *testing.T) {
			a.do(t, http.MethodPatch, path, `{"orgName":"Name `+string(rune('a'+i))+`"}`, "If-Match", value).organization(t, 200)
		})
	}
	a.do(t, http.MethodPost, path+"/users", member(userOne), "If-Match", `W/"8"`).ok(t)
	a.do(t, http.MethodPost, path+"/users", member(userTwo), "If-Match", `"8"`).rejected(t, 412, "precondition_failed")
	a.do(t, http.MethodDelete, path+"/users", member(userOne), "If-Match", `"9-br"`).ok(t)
	if got := a.get(t, path); got.organization(t, 200).UserCount != 0 || got.header.Get("ETag") != `"10"` {
		t.Errorf("%s %s", got.header.Get("ETag"), got.body)
	}
	none := "/v1/orgs/org_00000000000000000000000000000000"
	a.do(t, http.MethodPatch, none, `{}`, "If-Match", "*").rejected(t, 404, "not_found")
	a.do(t, http.MethodPost, none+"/users", member(userOne), "If-Match", `"1"`).rejected(t, 404, "not_found")
}

// Of twenty concurrent changes with the same tag, exactly one succeeds.
func TestConcurrentChangesWithOneTag(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	var mu sync.Mutex
	statuses := map[int]int{}
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			got := a.do(t, http.MethodPatch, path, `{"orgName":"Acme `+string(rune('a'+i))+`"}`, "If-Match", `"1"`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	calls.Wait()
	if statuses[200] != 1 || statuses[412] != 19 {
		t.Errorf("statuses %v", statuses)
	}
}

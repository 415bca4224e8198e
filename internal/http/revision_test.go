package http_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A change with another revision is rejected. Adding a member does not change the
// revision.
func TestChangeAtARevision(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.do(t, http.MethodPatch, path, `{"orgName":"Acme 2","revision":1}`).organization(t, 200)
	a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	before := a.get(t, path).organization(t, 200)
	for _, call := range []struct{ method, target, body string }{
		{http.MethodPatch, path, `{"orgName":"Other","revision":%d}`},
		{http.MethodPatch, path, `{"revision":%d}`},
		{http.MethodPatch, path + "/metadata?revision=%d", `{"a":"b"}`},
		{http.MethodPost, path + "/deactivate", `{"revision":%d}`},
		{http.MethodPost, path + "/reactivate", `{"revision":%d}`},
	} {
		at := func(revision int) (target, body string) {
			if strings.Contains(call.target, "%d") {
				return fmt.Sprintf(call.target, revision), call.body
			}
			return call.target, fmt.Sprintf(call.body, revision)
		}
		t.Run(call.method+" "+call.target, func(t *testing.T) {
			for _, revision := range []int{1, 3, 1 << 40} {
				target, body := at(revision)
				got := a.do(t, call.method, target, body)
				if p := got.rejected(t, 412, "precondition_failed"); got.header.Get("ETag") != `"3"` || !strings.Contains(p.Detail, "revision is 2,") {
					t.Errorf("%s: %v %s", body, got.header, got.body)
				}
			}
			target, body := at(2)
			got := a.do(t, call.method, target, body, "If-Match", `"2"`)
			if p := got.rejected(t, 412, "precondition_failed"); !strings.Contains(p.Detail, "If-Match") {
				t.Errorf("%s", got.body)
			}
		})
	}
	if diff := cmp.Diff(before, a.get(t, path).organization(t, 200)); diff != "" {
		t.Errorf("a rejected change had an effect (-before +after):\n%s", diff)
	}
	if o := a.do(t, http.MethodPost, path+"/deactivate", `{"revision":2}`, "If-Match", `"3"`).organization(t, 200); o.IsActive || o.Revision != 3 {
		t.Errorf("%+v", o)
	}
	for body, code := range map[string]string{
		`{"revision":"3"}`: "wrong_type", `{"revision":null}`: "wrong_type", `{"revision":3.5}`: "wrong_type", `{"revision":3.0}`: "wrong_type", `{"revision":3e0}`: "wrong_type", `{"revision":true}`: "wrong_type",
		`{"revision":99999999999999999999}`: "wrong_type", `{"revision":0}`: "out_of_range", `{"revision":-3}`: "out_of_range",
	} {
		t.Run(body, func(t *testing.T) {
			for _, got := range []answer{a.do(t, http.MethodPatch, path, body), a.do(t, http.MethodPost, path+"/reactivate", body)} {
				if p := got.rejected(t, 422, "invalid_field"); len(p.Errors) != 1 || p.Errors[0].Code != code {
					t.Errorf("%s", got.body)
				}
			}
		})
	}
	for query, code := range map[string]string{
		"revision=": "invalid_parameter", "revision=0": "invalid_parameter", "revision=-1": "invalid_parameter", "revision=%2B3": "invalid_parameter",
		"revision=3.0": "invalid_parameter", "revision=03": "invalid_parameter", "revision=x": "invalid_parameter", "revision=3&revision=3": "repeated_parameter", "Revision=3": "unknown_parameter",
	} {
		t.Run(query, func(t *testing.T) {
			a.do(t, http.MethodPatch, path+"/metadata?"+query, `{"a":"b"}`).rejected(t, 400, code)
		})
	}
}

func TestPatchMetadata(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme") + "/metadata"
	long := runes(1000)
	for i, step := range []struct {
		body string
		want map[string]string
		tag  string
	}{
		{`{"a":"1","b":"2"}`, map[string]string{"a": "1", "b": "2"}, `"2"`},
		{`{}`, map[string]string{"a": "1", "b": "2"}, `"2"`},
		{`{"a":"1","c":null}`, map[string]string{"a": "1", "b": "2"}, `"2"`},
		{`{"a":null,"c":"","revision":"7"}`, map[string]string{"b": "2", "c": "", "revision": "7"}, `"3"`},
		{`{"b":null,"c":null,"revision":null}`, nil, `"4"`},
		{`{"` + runes(100) + `":"` + long + `"}`, map[string]string{runes(100): long}, `"5"`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			got := a.do(t, http.MethodPatch, path, step.body)
			if o := got.organization(t, 200); !cmp.Equal(o.Metadata, step.want) || got.header.Get("ETag") != step.tag {
				t.Errorf("%.100s: ETag %s %.200s", step.body, got.header.Get("ETag"), got.body)
			}
		})
	}
	for body, want := range map[string]string{
		`{"a":1}`: "metadata.a wrong_type", `{"a":{}}`: "metadata.a wrong_type", `{"a":[null]}`: "metadata.a wrong_type", `{"a":true}`: "metadata.a wrong_type",
		`{"a":"` + long + `x"}`: "metadata.a too_long", `{"a":"\u0000"}`: "metadata.a invalid", `{"":"x"}`: "metadata. invalid", `{"":null}`: "metadata. invalid",
		`{"` + runes(101) + `":null}`: "metadata." + runes(99) + "… too_long", pairsFrom(0, 51): "metadata too_many", pairsFrom(0, 50): "metadata too_many",
	} {
		t.Run(fmt.Sprintf("%.40s", body), func(t *testing.T) {
			p := a.do(t, http.MethodPatch, path, body).rejected(t, 422, "invalid_field")
			if len(p.Errors) != 1 || p.Errors[0].Field+" "+p.Errors[0].Code != want {
				t.Errorf("%+v, want %s", p.Errors, want)
			}
		})
	}
	for _, body := range []string{``, `[]`, `null`, `"a"`, `{"a":"1","a":"2"}`} {
		t.Run("body "+body, func(t *testing.T) { a.do(t, http.MethodPatch, path, body).rejected(t, 400, "invalid_body") })
	}
	for contentType, status := range map[string]int{
		"application/merge-patch+json": 200, "Application/Merge-Patch+JSON; charset=utf-8": 200, "application/json": 200,
		"application/json-patch+json": 415, "text/json": 415, "application/merge-patch+json; q=1": 415,
	} {
		t.Run(contentType, func(t *testing.T) {
			request := a.request(t, http.MethodPatch, path, strings.NewReader(`{"type":"`+contentType+`"}`), "Authorization", "Bearer "+a.key, "Content-Type", contentType)
			if got := a.send(t, request); got.status != status {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	request := a.request(t, http.MethodPatch, strings.TrimSuffix(path, "/metadata"), strings.NewReader(`{}`), "Authorization", "Bearer "+a.key, "Content-Type", "application/merge-patch+json")
	a.send(t, request).rejected(t, 415, "unsupported_media_type")
}

// pairsFrom returns a patch that sets n keys: "k" with the numbers from first on.
func pairsFrom(first, n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf(`"k%d":"v"`, first+i))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// A repeat of a patch with an idempotency key gets the first answer, even if that was an
// error.
func TestPatchMetadataOnce(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme") + "/metadata"
	first := a.do(t, http.MethodPatch, path, `{"a":"1","b":null}`, "Idempotency-Key", "k")
	first.organization(t, 200)
	a.do(t, http.MethodPatch, path, `{"a":"2"}`).organization(t, 200)
	isReplay(t, firstCall{answer: first}, a.do(t, http.MethodPatch, path, `{"b":null,"a":"1"}`, "Idempotency-Key", "k"))
	a.do(t, http.MethodPatch, path, `{"a":"1"}`, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
	a.do(t, http.MethodPatch, path+"?revision=3", `{"b":null,"a":"1"}`, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
	tooMany := a.do(t, http.MethodPatch, path, pairsFrom(0, 50), "Idempotency-Key", "k2")
	a.do(t, http.MethodPatch, path, `{"a":null}`).organization(t, 200)
	isReplay(t, firstCall{answer: tooMany}, a.do(t, http.MethodPatch, path, pairsFrom(0, 50), "Idempotency-Key", "k2"))
}

// Twenty concurrent patches of different keys all succeed at the first attempt, even
// while members are added.
func TestConcurrentPatchesOfMetadata(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	const editors = 20
	var calls sync.WaitGroup
	for i := range editors {
		for _, call := range []struct{ method, target, body string }{
			{http.MethodPatch, path + "/metadata", fmt.Sprintf(`{"key %d":"%d"}`, i, i)},
			{http.MethodPost, path + "/users", member(fmt.Sprint("user ", i))},
		} {
			calls.Go(func() {
				if got := a.do(t, call.method, call.target, call.body); got.status != 200 {
					t.Errorf("%s %s: %d %s", call.method, call.body, got.status, got.body)
				}
			})
		}
	}
	calls.Wait()
	o := a.get(t, path).organization(t, 200)
	for i := range editors {
		if o.Metadata[fmt.Sprintf("key %d", i)] != fmt.Sprint(i) {
			t.Errorf("the change of editor %d is lost", i)
		}
	}
	if o.Revision != 1+editors || o.UserCount != editors {
		t.Errorf("%+v", o)
	}
}

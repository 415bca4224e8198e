package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"orgd"
	"orgd/internal/apikeys"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
)

var updateOpenAPI = flag.Bool("update-openapi", false, "write openapi.json from openapi.yaml")

// description is openapi.yaml, parsed and validated.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(orgd.OpenAPIYAML)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

// closedDescription is openapi.yaml in a stricter form, for checking exchanges. In
// openapi.yaml, answers may have more fields, because later releases may add some. The
// answers of this release must have only the described fields.
var closedDescription = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(orgd.OpenAPIYAML)
	if err != nil {
		return nil, err
	}
	closed := false
	for _, schema := range doc.Components.Schemas {
		if s := schema.Value; isOpen(s) {
			s.AdditionalProperties.Has = &closed
		}
	}
	doc.Components.Schemas["Description"].Value.AdditionalProperties.Has = nil // the schema has only the top-level fields of openapi.yaml
	return doc, doc.Validate(context.Background())
})

// isOpen reports whether an object with described fields may have other fields too.
func isOpen(s *openapi3.Schema) bool {
	return len(s.Properties) > 0 && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil
}

var descriptionRouter = sync.OnceValues(func() (routers.Router, error) {
	doc, err := closedDescription()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// checkExchange checks a request and its answer against openapi.yaml, and the answer
// against rules that apply to all answers.
func checkExchange(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	checkCommonHeaders(t, request, got)
	if got.status >= 400 {
		checkProblem(t, request, got)
	}
	router, err := descriptionRouter()
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(request)
	switch {
	case errors.Is(err, routers.ErrPathNotFound), errors.Is(err, routers.ErrMethodNotAllowed):
		checkUndescribed(t, request, got)
		return
	case err != nil:
		t.Fatal(err)
	}
	for name, encoded := range params {
		if params[name], err = url.PathUnescape(encoded); err != nil {
			t.Fatal(err)
		}
	}
	options := &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true,
		SkipSettingDefaults:   true,
		MultiError:            true,
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route, Options: options}
	if got.status < 300 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			t.Errorf("%s %s was served, though openapi.yaml rejects it: %v", request.Method, request.URL, err)
		}
	}
	if request.Method == http.MethodHead {
		if len(got.body) != 0 {
			t.Errorf("HEAD %s has a body", request.URL)
		}
		// The validator does not check answers to HEAD. Check the headers as those of a
		// GET.
		input.Request = request.Clone(context.Background())
		input.Request.Method = http.MethodGet
	}
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: got.status, Header: got.header, Options: options}
	if err := openapi3filter.ValidateResponse(context.Background(), output.SetBodyBytes(got.body)); err != nil {
		t.Errorf("%s %s: the answer does not match openapi.yaml: %v", request.Method, request.URL, err)
	}
	checkPaging(t, request, got)
}

var singleRead = regexp.MustCompile(`^/v1/orgs/[^/]+$`)

func isSingleRead(r *http.Request) bool {
	return singleRead.MatchString(r.URL.Path) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

func checkCommonHeaders(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	cacheControl := "no-store"
	if isSingleRead(request) && (got.status == http.StatusOK || got.status == http.StatusNotModified) {
		cacheControl = "private, no-cache"
	}
	for name, want := range map[string]string{
		"Cache-Control":           cacheControl,
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
	} {
		if values := got.header.Values(name); !slices.Equal(values, []string{want}) {
			t.Errorf("%s: %q, want %q", name, values, want)
		}
	}
	if got.header.Get("X-Request-Id") == "" {
		t.Error("the answer has no X-Request-Id")
	}
}

// checkProblem checks an error against RFC 9457 and what the official clients read, and
// looks for internal texts.
func checkProblem(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	if contentType := got.header.Get("Content-Type"); contentType != "application/problem+json" {
		t.Errorf("the error has the Content-Type %q", contentType)
	}
	if request.Method == http.MethodHead {
		return
	}
	p := got.problem(t)
	switch {
	case p.Status != got.status:
		t.Errorf("the body has the status %d, the answer %d", p.Status, got.status)
	case p.Type != "/problems/"+p.Code:
		t.Errorf("the error has the type %s and the code %s", p.Type, p.Code)
	case p.Message != p.Detail || p.Detail == "":
		t.Errorf("message %q, detail %q", p.Message, p.Detail)
	case p.RequestID != got.header.Get("X-Request-Id"):
		t.Errorf("requestId %q, header %q", p.RequestID, got.header.Get("X-Request-Id"))
	case !slices.Contains(orgdhttp.Codes(), p.Code):
		t.Errorf("the code %s is unknown", p.Code)
	}
	for _, leak := range []string{"SELECT", "SQLSTATE", "pgx", "127.0.0.1", "*http", "strconv", "parsing", "goroutine", ".go:"} {
		if bytes.Contains(got.body, []byte(leak)) {
			t.Errorf("%q leaks into %s", leak, got.body)
		}
	}
	if after := got.header.Get("Retry-After"); got.status == http.StatusServiceUnavailable {
		if n, err := strconv.Atoi(after); err != nil || n < 1 || n > 60 {
			t.Errorf("Retry-After %q", after)
		}
	}
}

// checkUndescribed checks an answer that belongs to no operation of openapi.yaml against
// the component for its status.
func checkUndescribed(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	component := map[int]string{404: "NotFound", 405: "MethodNotAllowed", 501: "NotImplemented", 413: "BodyTooLarge", 503: "Unavailable"}[got.status]
	if request.Method == http.MethodOptions && got.status == http.StatusNoContent {
		return
	}
	if component == "" {
		t.Errorf("%s %s: status %d is not described", request.Method, request.URL, got.status)
		return
	}
	if request.Method == http.MethodHead {
		return
	}
	doc, err := closedDescription()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	got.decode(t, &value)
	schema := doc.Components.Responses[component].Value.Content["application/problem+json"].Schema.Value
	if err := schema.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse()); err != nil {
		t.Errorf("%s %s: does not match the component %s: %v", request.Method, request.URL, component, err)
	}
}

// checkPaging checks what a schema cannot express: the order of the fields, and that
// there is a Link exactly if hasMore is true and the query is not too long.
func checkPaging(t testing.TB, request *http.Request, got answer) {
	t.Helper()
	isPage := got.status == http.StatusOK && request.URL.Path == "/v1/orgs" && got.header.Get("Content-Type") == "application/json"
	if !isPage || request.Method == http.MethodHead {
		return
	}
	p := got.page(t)
	tooLong := len(request.URL.RawQuery) > 3900
	if next := got.linked(t, "next").Get("cursor"); p.HasMore != (p.Cursor != "") || next != p.Cursor && !tooLong {
		t.Errorf("hasMore %v with Link %q", p.HasMore, got.header.Get("Link"))
	}
	order := []string{"createdAt", "isActive", "orgId", "orgName", "updatedAt", "userCount", "createdByApiKeyId", "createdByUserId", "metadata", "externalId", "revision", "membership"}
	var raw struct{ Organizations []json.RawMessage }
	got.decode(t, &raw)
	for _, organization := range raw.Organizations {
		at := -1
		for _, name := range fieldNames(t, organization) {
			next := slices.Index(order, name)
			if next <= at {
				t.Fatalf("field %s is out of order in %s", name, organization)
			}
			at = next
		}
	}
}

// fieldNames returns the names of an object's fields in their order.
func fieldNames(t testing.TB, object []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// If openapi.yaml accepted everything, the checks against it would prove nothing.
func TestDescriptionRejectsInvalidPages(t *testing.T) {
	t.Parallel()
	doc, err := closedDescription()
	if err != nil {
		t.Fatal(err)
	}
	organization := `{"createdAt":"2026-01-01T00:00:00Z","isActive":true,"orgId":"org_00000000000000000000000000000000","orgName":"A","updatedAt":"2026-01-01T00:00:00Z","userCount":0,"revision":1`
	cursor := `"cursor":"` + strings.Repeat("A", 44) + `"`
	for body, good := range map[string]bool{
		`{"hasMore":false,"organizations":[]}`:                                                          true,
		`{"hasMore":true,"organizations":[` + organization + `}],` + cursor + `}`:                       true,
		`{"hasMore":true,"organizations":[` + organization + `}]}`:                                      false,
		`{"hasMore":false,"organizations":[],` + cursor + `}`:                                           false,
		`{"hasMore":true,"organizations":[],` + cursor + `}`:                                            false,
		`{"hasMore":false,"organizations":null}`:                                                        false,
		`{"organizations":[]}`:                                                                          false,
		`{"hasMore":false,"organizations":[` + organization + `,"metadata":null}]}`:                     false,
		`{"hasMore":false,"organizations":[` + organization + `,"more":1}]}`:                            false,
		`{"hasMore":false,"organizations":[` + strings.Replace(organization, "0Z", "0.123Z", 1) + `}]}`: false,
	} {
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		err := doc.Components.Schemas["Page"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse())
		if (err == nil) != good {
			t.Errorf("%s: %v, want good %v", body, err, good)
		}
	}
}

// The description lists every type of event.
func TestDescribedEventTypes(t *testing.T) {
	t.Parallel()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, kind := range doc.Components.Parameters["feedTypes"].Value.Schema.Value.Items.Value.Enum {
		described = append(described, kind.(string))
	}
	if !slices.Equal(described, events.Types) {
		t.Errorf("described: %q\nwant:      %q", described, events.Types)
	}
}

// Generated clients accept fields that a later release adds to an answer, tolerate a
// proxy that drops a static header, and have typed errors. Request bodies allow no other
// fields.
func TestDescriptionOfAnswersIsOpen(t *testing.T) {
	t.Parallel()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	answers := []string{
		"Organization", "Batch", "OrganizationMembership", "Page", "Event", "EventPage", "AuditPage", "Member", "MemberPage", "MembersChanged", "Success", "ApiKey", "ApiKeyPage", "Webhook", "WebhookPage", "Attempt", "AttemptList", "Health", "Description", "Problem", "FieldError",
	}
	for name, schema := range doc.Components.Schemas {
		if s := schema.Value; s.Type.Is("object") && len(s.Properties) > 0 && isOpen(s) != slices.Contains(answers, name) {
			t.Errorf("%s may have other fields: %t", name, isOpen(s))
		}
	}
	message := doc.Webhooks["event"].Post.RequestBody.Value.Content["application/json"].Schema.Value
	if !isOpen(message) {
		t.Error("the body of a request to a webhook may not have other fields")
	}
	for _, name := range []string{"Cache-Control", "Cache-Control-Read", "X-Content-Type-Options", "Content-Security-Policy"} {
		if doc.Components.Headers[name].Value.Required {
			t.Errorf("%s is required", name)
		}
	}
	problems := 0
	for name, response := range doc.Components.Responses {
		content := response.Value.Content["application/problem+json"]
		if content == nil {
			continue
		}
		problems++
		own := content.Schema.Value.AllOf[1].Value.Properties
		if !own["status"].Value.Type.Is("integer") || !own["code"].Value.Type.Is("string") {
			t.Errorf("%s: status and code have no types", name)
		}
	}
	if problems < 15 {
		t.Errorf("only %d responses were checked", problems)
	}
}

// Every route is in openapi.yaml, and every operation of openapi.yaml is served.
func TestDescriptionHasTheRoutes(t *testing.T) {
	t.Parallel()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var served, described []string
	for _, r := range newAPI(t).server.Routes() {
		path := strings.NewReplacer(":orgId", "{orgId}", ":externalId", "{externalId}", ":userId", "{userId}", ":apiKeyId", "{apiKeyId}", ":webhookId", "{webhookId}").Replace(r.Path)
		served = append(served, r.Method+" "+path)
		if r.Method == http.MethodGet {
			served = append(served, http.MethodHead+" "+path)
		}
		operation := doc.Paths.Value(path).GetOperation(r.Method)
		secured := operation != nil && operation.Security != nil && len(*operation.Security) > 0
		if secured != (r.Scope != "") {
			t.Errorf("%s %s: described as secured %v, served with scope %q", r.Method, r.Path, secured, r.Scope)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("routes (-described +served):\n%s", diff)
	}
}

func TestDescriptionHasTheCodes(t *testing.T) {
	t.Parallel()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, c := range doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		described = append(described, c.(string))
	}
	codes := orgdhttp.Codes()
	slices.Sort(described)
	slices.Sort(codes)
	if diff := cmp.Diff(described, codes); diff != "" {
		t.Errorf("codes (-described +served):\n%s", diff)
	}
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range codes {
		if !bytes.Contains(text, []byte("# "+c+"\n")) && !bytes.Contains(text, []byte("# `"+c+"`\n")) {
			t.Errorf("docs/api.md has no heading for %s", c)
		}
	}
}

func TestOpenAPIJSONIsTheYAML(t *testing.T) {
	t.Parallel()
	var value any
	if err := yaml.Unmarshal(orgd.OpenAPIYAML, &value); err != nil {
		t.Fatal(err)
	}
	want, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateOpenAPI {
		if err := os.WriteFile("../../openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(orgd.OpenAPIJSON, want) {
		t.Error("openapi.json differs from openapi.yaml: run `make openapi`")
	}
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for path, want := range map[string][]byte{"/openapi.yaml": orgd.OpenAPIYAML, "/openapi.json": orgd.OpenAPIJSON} {
		if got := a.call(t, http.MethodGet, path); !bytes.Equal(got.body, want) {
			t.Errorf("%s does not serve the file", path)
		}
	}
}

// The examples of errors in openapi.yaml are what the server returns. Examples that
// would need a long setup are not tested.
func TestExamplesOfErrorsAreServed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	inactive := a.create(t, "Old")
	a.do(t, http.MethodPost, inactive+"/deactivate", "")
	a.do(t, http.MethodPut, "/v1/orgs/external/taken", `{"orgName":"Taken"}`)
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Keyed"}`, "Idempotency-Key", "used")
	key := []string{"Authorization", "Bearer " + a.key}
	unscoped := []string{"Authorization", "Bearer " + a.Key(t, a.account, apikeys.OrgsWrite)}
	with := func(headers ...string) []string { return append(slices.Clone(key), headers...) }
	const unknown = "/v1/orgs/org_00000000000000000000000000000000"
	longRegion := `{"orgName":" ","metadata":{"region":"` + strings.Repeat("a", 1001) + `"}}`

	for _, test := range []struct {
		component, example   string // the response, and its example; "" if it has only one
		method, target, body string
		headers              []string
	}{
		{"BadRequest", "invalid_request", "GET", "/v1/orgs?limit=1;limit=2", "", key},
		{"BadRequest", "invalid_parameter", "GET", "/v1/orgs?limit=0", "", key},
		{"BadRequest", "unknown_parameter", "GET", "/v1/orgs?orgname=a", "", key},
		{"BadRequest", "repeated_parameter", "GET", "/v1/orgs?limit=1&limit=2", "", key},
		{"BadRequest", "invalid_cursor", "GET", "/v1/orgs?cursor=AAAA", "", key},
		{"BadRequest", "invalid_authorization", "GET", "/v1/orgs", "", with(key...)},
		{"BadRead", "invalid_request", "GET", path, "", with("If-None-Match", "7")},
		{"BadRead", "unknown_parameter", "GET", path + "?limit=1", "", key},
		{"BadRead", "invalid_authorization", "GET", path, "", with(key...)},
		{"BadWrite", "invalid_request", "PATCH", path, `{}`, with("If-Match", "7")},
		{"BadWrite", "unknown_parameter", "PATCH", path + "?limit=1", `{}`, key},
		{"BadWrite", "invalid_body", "PATCH", path, `{"orgName":"A","orgName":"B"}`, key},
		{"BadWrite", "invalid_authorization", "PATCH", path, `{}`, with(key...)},
		{"Unauthorized", "missing_credentials", "GET", "/v1/orgs", "", nil},
		{"Unauthorized", "invalid_api_key", "GET", "/v1/orgs", "", []string{"Authorization", "Bearer wrong"}},
		{"Forbidden", "", "GET", "/v1/orgs", "", unscoped},
		{"NotFound", "organization", "GET", unknown, "", key},
		{"NotFound", "path", "GET", "/v1/users", "", key},
		{"MethodNotAllowed", "", "DELETE", "/v1/orgs", "", key},
		{"NotAcceptable", "", "GET", "/v1/api-keys", "", with("Accept", "text/html")},
		{"Conflict", "org_inactive", "POST", inactive + "/users", `{"userId":"a"}`, key},
		{"ExternalIdConflict", "external_id_taken", "POST", "/v1/orgs", `{"orgName":"A","externalId":"taken"}`, key},
		{"OrgActive", "", "DELETE", path, "", key},
		{"PreconditionFailed", "tag", "PATCH", path, `{}`, with("If-Match", `"999"`)},
		{"BodyTooLarge", "", "POST", "/v1/orgs", strings.Repeat(" ", 1<<20+1), key},
		{"UnsupportedMediaType", "", "POST", "/v1/orgs", "a", with("Content-Type", "text/plain")},
		{"Unprocessable", "invalid_field", "POST", "/v1/orgs", longRegion, key},
		{"Unprocessable", "idempotency_key_reused", "POST", "/v1/orgs", `{"orgName":"Other"}`, with("Idempotency-Key", "used")},
		{"InvalidField", "", "GET", path + "/users/%20a", "", key},
		{"NotImplemented", "", "BREW", "/v1/orgs", "", key},
	} {
		t.Run(strings.TrimSpace(test.component+" "+test.example), func(t *testing.T) {
			t.Parallel()
			want := problemExample(t, test.component, test.example)
			request := a.request(t, test.method, test.target, strings.NewReader(test.body), test.headers...)
			if test.body != "" && request.Header.Get("Content-Type") == "" {
				request.Header.Set("Content-Type", "application/json")
			}
			var got map[string]any
			a.send(t, request).decode(t, &got)
			for _, problem := range []map[string]any{want, got} {
				for _, name := range []string{"requestId", "orgId"} { // these differ on every run
					delete(problem, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-example +served):\n%s", test.method, test.target, diff)
			}
		})
	}
}

// problemExample returns an example of an error response: the one with this name, or the
// only one if name is "".
func problemExample(t *testing.T, component, name string) map[string]any {
	t.Helper()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	content := doc.Components.Responses[component].Value.Content["application/problem+json"]
	value := content.Example
	if name != "" {
		value = content.Examples[name].Value.Value
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var example map[string]any
	if err := json.Unmarshal(text, &example); err != nil {
		t.Fatal(err)
	}
	return example
}

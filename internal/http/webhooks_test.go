package http_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/uuid"
)

// webhook is the body of an answer that has an endpoint.
type webhook struct {
	WebhookID               string   `json:"webhookId"`
	URL                     string   `json:"url"`
	Description             string   `json:"description"`
	Types                   []string `json:"types"`
	IsEnabled               bool     `json:"isEnabled"`
	DisabledReason          string   `json:"disabledReason"`
	Position                int64    `json:"position"`
	Secret                  string   `json:"secret"`
	CreatedByAPIKeyID       string   `json:"createdByApiKeyId"`
	PreviousSecretExpiresAt string   `json:"previousSecretExpiresAt"`
}

const hooking = `{"url":"https://hooks.example.com/orgd?token=hidden","description":"Index"}`

func (a *api) webhook(t testing.TB, body string) webhook {
	t.Helper()
	return read[webhook](t, a.do(t, http.MethodPost, "/v1/webhooks", body), http.StatusCreated)
}

func TestWebhookLife(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.create(t, "Before")
	got := a.do(t, http.MethodPost, "/v1/webhooks", `{"url":"https://hooks.example.com/orgd?token=hidden","description":" Index ","types":["org.created"]}`)
	made := read[webhook](t, got, http.StatusCreated)
	path := "/v1/webhooks/" + made.WebhookID
	if got.header.Get("Location") != publicURL+path || !strings.HasPrefix(made.Secret, "whsec_") || made.Description != "Index" || !made.IsEnabled || joined(made.Types) != "org.created" {
		t.Errorf("created %s at %s", got.body, got.header.Get("Location"))
	}
	// The events of the key and of the organization come before the webhook's position.
	if made.Position < 2 {
		t.Errorf("position %d", made.Position)
	}
	if found := read[webhook](t, a.get(t, path), 200); found.Secret != "" || found.WebhookID != made.WebhookID {
		t.Errorf("read %+v", found)
	}
	changed := read[webhook](t, a.do(t, http.MethodPatch, path, `{"url":"https://hooks.example.com/new","types":null}`), 200)
	if changed.URL != "https://hooks.example.com/new" || changed.Types != nil || changed.Description != "Index" {
		t.Errorf("changed %+v", changed)
	}
	rotated := read[webhook](t, a.do(t, http.MethodPost, path+"/rotate-secret", `{"overlapSeconds":60}`), 200)
	if rotated.Secret == "" || rotated.Secret == made.Secret || rotated.PreviousSecretExpiresAt == "" {
		t.Errorf("rotated %+v", rotated)
	}
	if again := read[webhook](t, a.do(t, http.MethodPost, path+"/rotate-secret", `{"overlapSeconds":0}`), 200); again.PreviousSecretExpiresAt != "" {
		t.Errorf("rotated without overlap %+v", again)
	}
	for range 2 {
		if off := read[webhook](t, a.do(t, http.MethodPost, path+"/disable", ""), 200); off.IsEnabled || off.DisabledReason != "requested" {
			t.Errorf("disabled %+v", off)
		}
	}
	if back := read[webhook](t, a.do(t, http.MethodPost, path+"/replay", `{"fromPosition":1}`), 200); back.Position != 0 || back.IsEnabled {
		t.Errorf("replayed %+v", back)
	}
	for range 2 {
		if on := read[webhook](t, a.do(t, http.MethodPost, path+"/enable", ""), 200); !on.IsEnabled || on.DisabledReason != "" {
			t.Errorf("enabled %+v", on)
		}
	}
	if got := a.get(t, path+"/attempts"); string(got.body) != `{"attempts":[]}` {
		t.Errorf("attempts %s", got.body)
	}
	if got := a.do(t, http.MethodDelete, path, ""); got.status != http.StatusNoContent {
		t.Errorf("deleted: %d %s", got.status, got.body)
	}
	a.do(t, http.MethodDelete, path, "").rejected(t, 404, "not_found")
	a.get(t, path).rejected(t, 404, "not_found")
	want := "webhook.created webhook.updated webhook.secret_rotated webhook.secret_rotated webhook.disabled webhook.replayed webhook.enabled webhook.deleted "
	types := ""
	for _, e := range a.allEvents(t) {
		if e.WebhookID == made.WebhookID {
			types += e.Type + " "
		}
		if strings.Contains(string(e.Before)+string(e.After), "hidden") || strings.Contains(string(e.After), "whsec") {
			t.Errorf("%s shows a secret: %s %s", e.Type, e.Before, e.After)
		}
	}
	if types != want {
		t.Errorf("events %s, want %s", types, want)
	}
}

type hookEvent struct {
	Type, WebhookID string
	Position        int64
	Before, After   json.RawMessage
}

// allEvents returns the events of the feed.
func (a *api) allEvents(t testing.TB) []hookEvent {
	t.Helper()
	return read[struct{ Events []hookEvent }](t, a.get(t, "/v1/events?limit=100"), 200).Events
}

func TestWebhookFields(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := "/v1/webhooks/" + a.webhook(t, hooking).WebhookID
	with := func(url string) string { return fmt.Sprintf(`{"url":%q,"description":"x"}`, url) }
	for body, field := range map[string]string{
		`{}`:                                                       "description",
		`{"url":"https://a.example"}`:                              "description",
		with("ftp://a.example"):                                    "url",
		with("http://a.example"):                                   "url",
		with("//a.example"):                                        "url",
		with("https://user:pass@a.example/"):                       "url",
		with("https://user@a.example/"):                            "url",
		with("https://a.example/#part"):                            "url",
		with("https://a.example:0/"):                               "url",
		with("https://a.example:99999/"):                           "url",
		with("https:///path"):                                      "url",
		with("https://a example/"):                                 "url",
		with("https://ä.example/"):                                 "url",
		with("https://10.0.0.1/"):                                  "url",
		with("https://169.254.169.254/"):                           "url",
		with("https://[::ffff:10.0.0.1]/"):                         "url",
		with("https://[fd00:ec2::254]/"):                           "url",
		with("https://2130706433/"):                                "url",
		with("https://a.example/" + long(2048)):                    "url",
		`{"url":null,"description":"x"}`:                           "url",
		`{"url":"https://a.example","description":"x","types":[]}`: "types",
		`{"url":"https://a.example","description":"x","types":["org.createt"]}`:               "types.0",
		`{"url":"https://a.example","description":"x","types":["org.created","org.created"]}`: "types.1",
		`{"url":"https://a.example","description":"x","types":null}`:                          "types",
		`{"url":"https://a.example","description":"x","secret":"whsec_x"}`:                    "secret",
	} {
		got := a.do(t, http.MethodPost, "/v1/webhooks", body).rejected(t, 422, "invalid_field")
		if got.Errors[0].Field != field {
			t.Errorf("%.80s: field %s, want %s", body, got.Errors[0].Field, field)
		}
	}
	a.do(t, http.MethodPatch, path, `{"url":"https://127.0.0.0x1/"}`).rejected(t, 422, "invalid_field")
	for call, field := range map[string]string{
		`replay {"fromPosition":0}`:            "fromPosition",
		`replay {"fromPosition":999}`:          "fromPosition",
		`replay {"fromPosition":"1"}`:          "fromPosition",
		`replay {}`:                            "fromPosition",
		`rotate-secret {"overlapSeconds":-1}`:  "overlapSeconds",
		`rotate-secret {"overlapSeconds":1e9}`: "overlapSeconds",
		`rotate-secret {"overlapSeconds":"1"}`: "overlapSeconds",
		`rotate-secret {"overlapSeconds":0.5}`: "overlapSeconds",
		`enable {"x":1}`:                       "x",
		`test {"x":1}`:                         "x",
	} {
		action, body, _ := strings.Cut(call, " ")
		if got := a.do(t, http.MethodPost, path+"/"+action, body).rejected(t, 422, "invalid_field"); got.Errors[0].Field != field {
			t.Errorf("%s: field %s, want %s", call, got.Errors[0].Field, field)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// A retry gets the first result without the secret, and has no effect.
func TestWebhookIdempotency(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	first := a.do(t, http.MethodPost, "/v1/webhooks", hooking, "Idempotency-Key", "k")
	second := a.do(t, http.MethodPost, "/v1/webhooks", hooking, "Idempotency-Key", "k")
	made, again := read[webhook](t, first, 201), read[webhook](t, second, 201)
	if made.Secret == "" || again.Secret != "" || again.WebhookID != made.WebhookID || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s, second %s", first.body, second.body)
	}
	a.do(t, http.MethodPost, "/v1/webhooks", `{"url":"https://a.example","description":"x"}`, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
	path := "/v1/webhooks/" + made.WebhookID
	for _, call := range []string{"POST /rotate-secret ", "POST /disable ", "POST /replay {\"fromPosition\":1}", "POST /enable ", "PATCH  {\"types\":[\"org.created\"]}"} {
		parts := strings.SplitN(call, " ", 3)
		first := a.do(t, parts[0], path+parts[1], parts[2], "Idempotency-Key", "l")
		second := a.do(t, parts[0], path+parts[1], parts[2], "Idempotency-Key", "l")
		if first.status != 200 || second.status != 200 || second.header.Get("Idempotency-Replayed") != "true" || strings.Contains(string(second.body), "secret\"") {
			t.Errorf("%s: first %s, second %s", call, first.body, second.body)
		}
	}
	var stored string
	if err := a.Pool.QueryRow(t.Context(), `SELECT string_agg(result::text, ' ') FROM idempotency_keys`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stored, "whsec") || strings.Contains(stored, made.Secret[6:20]) {
		t.Errorf("a secret is stored with the result: %s", stored)
	}
}

// The id of another account's endpoint, an unknown id and a malformed id get the same
// answer.
func TestMissingWebhooks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	other := newAPIWith(t, a.DB, func(*orgdhttp.Config) {})
	theirs := other.webhook(t, hooking).WebhookID
	for _, id := range []string{theirs, "wh_" + strings.Repeat("0", 32), strings.ToUpper(theirs), "wh_1", uuid.NewV7().String()} {
		for _, call := range []string{"GET ", "PATCH  {}", "DELETE ", "POST /rotate-secret", "POST /enable", "POST /disable", "POST /test", "POST /replay {\"fromPosition\":1}", "GET /attempts"} {
			parts := append(strings.SplitN(call, " ", 3), "")
			got := a.do(t, parts[0], "/v1/webhooks/"+id+parts[1], parts[2])
			if p := got.rejected(t, 404, "not_found"); p.Detail != "This account has no webhook with this webhookId. Check the webhookId, and that your key belongs to the right account." {
				t.Errorf("%s %s: %s", call, id, p.Detail)
			}
		}
	}
	if page := read[struct{ Webhooks []webhook }](t, a.get(t, "/v1/webhooks"), 200); len(page.Webhooks) != 0 {
		t.Errorf("%d webhooks of others", len(page.Webhooks))
	}
}

func TestWebhookPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var made []string
	for i := range 5 {
		made = append([]string{a.webhook(t, fmt.Sprintf(`{"url":"https://a.example/%d","description":"x"}`, i)).WebhookID}, made...)
	}
	type page struct {
		HasMore  bool
		Cursor   string
		Webhooks []webhook
	}
	var seen []string
	for cursor := ""; ; {
		got := read[page](t, a.get(t, "/v1/webhooks?limit=2"+cursor), 200)
		for _, w := range got.Webhooks {
			seen = append(seen, w.WebhookID)
		}
		if !got.HasMore {
			break
		}
		cursor = "&cursor=" + got.Cursor
	}
	if joined(seen) != joined(made) {
		t.Errorf("walked %s, want %s", joined(seen), joined(made))
	}
	a.get(t, "/v1/webhooks?cursor=x").rejected(t, 400, "invalid_cursor")
}

func TestWebhookLimit(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(*orgdhttp.Config) {})
	limited := newAPIWith(t, a.DB, func(cfg *orgdhttp.Config) { cfg.Webhooks = a.hooks.WithLimit(2) })
	limited.webhook(t, hooking)
	made := limited.webhook(t, hooking)
	got := limited.do(t, http.MethodPost, "/v1/webhooks", hooking)
	got.rejected(t, 409, "too_many_webhooks")
	if got.header.Get("X-Should-Retry") != "false" {
		t.Errorf("X-Should-Retry %q", got.header.Get("X-Should-Retry"))
	}
	limited.do(t, http.MethodDelete, "/v1/webhooks/"+made.WebhookID, "")
	limited.webhook(t, hooking)
}

func TestWebhooksNeedTheirScope(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	reader := a.Key(t, a.account, apikeys.EventsRead, apikeys.KeysManage)
	a.call(t, http.MethodGet, "/v1/webhooks", "Authorization", "Bearer "+reader).rejected(t, 403, "insufficient_scope")
}

func TestWebhookTest(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	status := http.StatusNoContent
	var got []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Webhook-Id"))
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	path := "/v1/webhooks/" + a.webhook(t, fmt.Sprintf(`{"url":%q,"description":"x"}`, receiver.URL+"/hook")).WebhookID
	a.do(t, http.MethodPost, path+"/disable", "")
	type attempt struct {
		EventID, Type, Error string
		Status               int
	}
	ok := read[attempt](t, a.do(t, http.MethodPost, path+"/test", ""), 200)
	status = http.StatusTeapot
	bad := read[attempt](t, a.do(t, http.MethodPost, path+"/test", "", "Idempotency-Key", "k"), 200)
	if ok.Status != 204 || ok.Error != "" || ok.Type != "webhook.test" || bad.Status != 418 || bad.Error != "status" {
		t.Errorf("tests: %+v, %+v", ok, bad)
	}
	list := read[struct{ Attempts []attempt }](t, a.get(t, path+"/attempts"), 200).Attempts
	if len(list) != 2 || list[0] != bad || list[1] != ok || joined(got) != ok.EventID+", "+bad.EventID {
		t.Errorf("attempts %+v, received %v", list, got)
	}
	if found := read[webhook](t, a.get(t, path), 200); found.IsEnabled {
		t.Errorf("a test enabled %+v", found)
	}
}

package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// echoObject returns a handler that answers with the object in the body.
func echoObject(required bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		o, err := readObject(c, required)
		if err != nil {
			return err
		}
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, body)
	}
}

func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(`"%d":0`, i)
	}
	return "{" + strings.Join(names, ",") + "}"
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
}

func TestValidBodies(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	for body, want := range map[string]string{
		"{}":                               "{}",
		" \t\r\n{ \"a\" : 1 } \r\n":        `{"a":1}`,
		`{"a":1,"A":2}`:                    `{"A":2,"a":1}`,
		`{"a":{"b":1},"c":{"b":1}}`:        `{"a":{"b":1},"c":{"b":1}}`,
		`{"a":["x","x",{"a":{}}]}`:         `{"a":["x","x",{"a":{}}]}`,
		`{"":1}`:                           `{"":1}`,
		`{"a":1e999,"b":-0,"c":null}`:      `{"a":1e999,"b":-0,"c":null}`,
		`{"a":"\ud83d\ude00"}`:             `{"a":"\ud83d\ude00"}`,
		`{"a":"\uD83D\uDE00\uD83D\uDE00"}`: `{"a":"\uD83D\uDE00\uD83D\uDE00"}`,
		`{"a":"\\ud800"}`:                  `{"a":"\\ud800"}`,
		`{"a":"\\\ud83d\ude00"}`:           `{"a":"\\\ud83d\ude00"}`,
		`{"a":"\ufffd�"}`:                  `{"a":"\ufffd�"}`,
		`{"a":"\u0000"}`:                   `{"a":"\u0000"}`,
		nested(16):                         nested(16),
	} {
		w := serve(server, jsonRequest(body))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", body, w.Code, w.Body, want)
		}
	}
}

func TestInvalidBodies(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	for _, body := range []string{
		"", " ", "null", "[]", `[{"a":1}]`, "1", `"a"`, "true",
		"{", `{"a"}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":NaN}`, `{"a":tru}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`,
		`{"a":1}{"b":2}`, `{} {}`, `{}]`, `{}x`, "{}\x00", "\x00{}", `{/**/}`, `{}//`,
		"\ufeff{}", "{}\ufeff", "\xff\xfe{\x00}\x00",
		"{\"a\":\"\xff\"}", "{\"\xc0\x80\":1}", "{\"a\":\"\xed\xa0\x80\"}",
		`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud83dx\ude00"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\ud83d"}`, `{"a":"\ud83d\n"}`,
		`{"a":"\ud83d\u0041"}`, `{"a":"\uD83D\uDE00\uDBFF"}`, `{"\ud800":1}`, `{"a":"\\\ud800"}`, `{"a":[{"b":"\ud800"}]}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"c":{},"b":2}]}`, `{"":1,"":2}`, `{"a":1,"b":{"a":1},"a":2}`,
		manyNames(1001), `{"a":` + manyNames(1001) + `}`,
		nested(17), `{"a":` + nested(16) + `}`, strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), strings.Repeat("[", 200_000),
	} {
		t.Run(fmt.Sprintf("%.60q", body), func(t *testing.T) {
			wantProblem(t, serve(server, jsonRequest(body)), http.StatusBadRequest, codeInvalidBody)
		})
	}
}

func TestLongDuplicateNameIsCut(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("é", 1000)
	w := serve(newBodyServer(t, echoObject(true)), jsonRequest(`{"`+name+`":1,"`+name+`":2}`))
	p := wantProblem(t, w, http.StatusBadRequest, codeInvalidBody)
	if !strings.Contains(p.Detail, strings.Repeat("é", 99)+"…") || len(p.Detail) > 300 {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestOptionalBody(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(false))
	for name, r := range map[string]*http.Request{
		"none":                    request(http.MethodPost, ""),
		"none, with another type": request(http.MethodPost, "", "Content-Type", "text/plain"),
		"none, of unknown length": unknownLength(jsonRequest("")),
	} {
		if w := serve(server, r); w.Code != http.StatusOK || w.Body.String() != "null" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := serve(server, jsonRequest("{}")); w.Body.String() != "{}" {
		t.Errorf("{}: %d %s", w.Code, w.Body)
	}
	wantProblem(t, serve(server, jsonRequest("null")), http.StatusBadRequest, codeInvalidBody)
	wantProblem(t, serve(server, request(http.MethodPost, "{}")), http.StatusUnsupportedMediaType, codeUnsupportedMediaType)
	wantProblem(t, serve(newBodyServer(t, echoObject(true)), unknownLength(jsonRequest(""))), http.StatusBadRequest, codeInvalidBody)
}

// The result equals that of encoding/json, does not change when it is encoded and decoded
// again, and has no replacement characters (U+FFFD) that the client did not send.
func FuzzReadObject(f *testing.F) {
	for _, body := range []string{
		"{}", ` {"a" : 1} `, `{"a":{"b":[1,"x",null,true,1e999]}}`, `{"a":1,"\u0061":2}`, `{"a":"\ud83d\ude00\\ud800\n"}`, `{"a":"\ud800"}`,
		"{\"\xff\":1}", `{"�":"\uFFFD"}`, `{"a":1}{}`, "\ufeff{}", "null", nested(16), nested(17), `{"<>&":"` + "\u2028" + `"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := readBytes(body)
		if err != nil {
			if c := asAPIError(err).code; c != codeInvalidBody {
				t.Fatalf("rejected as %s: %v", c, err)
			}
			return
		}
		if len(body) == 0 {
			if first != nil {
				t.Fatalf("an empty body was read as %v", first)
			}
			return
		}
		content := decodeAny(t, body)
		if sent, got := replacementsIn(body), countReplacements(content); got > sent {
			t.Errorf("U+FFFD was sent %d times and read %d times", sent, got)
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := readBytes(again)
		if err != nil {
			t.Fatalf("%s was read, but not %s: %v", body, again, err)
		}
		if len(first) != len(second) || !reflect.DeepEqual(content, decodeAny(t, again)) {
			t.Errorf("%s became %s", body, again)
		}
	})
}

func readBytes(body []byte) (object, error) {
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder())
	c.Set(receivedKey, received{body: body})
	return readObject(c, false)
}

func decodeAny(t *testing.T, body []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // 1e999 is valid JSON, but not a float64
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		t.Fatalf("encoding/json does not read %s: %v", body, err)
	}
	return content
}

// replacementsIn returns an upper bound for the number of U+FFFD in a body, plain or
// escaped.
func replacementsIn(body []byte) int {
	return bytes.Count(body, []byte("\uFFFD")) + bytes.Count(bytes.ToLower(body), []byte(`\ufffd`))
}

func countReplacements(v any) int {
	n := 0
	switch v := v.(type) {
	case string:
		n = strings.Count(v, "\uFFFD")
	case []any:
		for _, element := range v {
			n += countReplacements(element)
		}
	case map[string]any:
		for name, value := range v {
			n += strings.Count(name, "\uFFFD") + countReplacements(value)
		}
	}
	return n
}

package http

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
)

func TestAcceptsJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept []string
		want   bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{" , "}, true},
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON"}, true},
		{[]string{"application/json; charset=utf-8"}, true},
		{[]string{"application/*"}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/json;q=0.001"}, true},
		{[]string{"text/html, application/xhtml+xml, */*;q=0.1"}, true},
		{[]string{"text/html", "application/json"}, true},
		{[]string{"text/html,,application/json"}, true},
		// Older versions of Java's HttpURLConnection send this by default.
		{[]string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, true},

		{[]string{"text/html"}, false},
		{[]string{"text/*"}, false},
		{[]string{"text/html", "image/png"}, false},
		{[]string{"application/problem+json"}, false},
		{[]string{"application/jsonp"}, false},
		{[]string{"application/json;q=0"}, false},
		{[]string{"application/json; Q=0.000"}, false},
		{[]string{"*/*;q=0"}, false},

		// The most specific range applies, wherever it is in the header.
		{[]string{"*/*, application/json;q=0"}, false},
		{[]string{"application/json;q=0, */*"}, false},
		{[]string{"application/json;q=0", "*/*"}, false},
		{[]string{"application/*;q=0, */*"}, false},
		{[]string{"application/*, application/json;q=0"}, false},
		{[]string{"*/*;q=0, application/*"}, true},
		{[]string{"*/*;q=0, application/json"}, true},
		{[]string{"application/json, application/*;q=0, */*;q=0"}, true},
		{[]string{"application/json;q=0, application/json"}, true},
		{[]string{"application/json, application/json;q=0"}, true},

		// Malformed headers are ignored.
		{[]string{"text/html;q=2"}, true},
		{[]string{"text/html;q=-1"}, true},
		{[]string{"text/html;q=NaN"}, true},
		{[]string{"text/html;q=1e-9"}, true},
		{[]string{"text/html;q="}, true},
		{[]string{"text/html;q=0;q=1"}, true},
		{[]string{"text/html/x"}, true},
		{[]string{"text html"}, true},
		{[]string{"garbage"}, true},
		{[]string{"json"}, true},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, true},
		{[]string{"*/json"}, true},
		{[]string{"text/"}, true},
		{[]string{"/html"}, true},
		{[]string{"text/html, garbage"}, true},
		{[]string{"text/html", "garbage"}, true},
		{[]string{"garbage;q=0"}, true},
		{[]string{"text/html;q=."}, true},
		{[]string{"tëxt/html"}, true},
		{[]string{"text/html;q"}, true},
		{[]string{"=text/html"}, true},
		{[]string{"/"}, true},
		{[]string{`application/json;q=0, text/html;a="b`}, true},
		{[]string{`text/html;a="b,c"`}, true},
	} {
		h := http.Header{}
		for _, value := range c.accept {
			h.Add("Accept", value)
		}
		if got := acceptsJSON(h); got != c.want {
			t.Errorf("acceptsJSON(%q) = %t", c.accept, got)
		}
	}
}

func TestOfferJSON(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, offerJSON(func(c echo.Context) error { return writeJSON(c, http.StatusOK, []byte("{}")) }))
	if w := serve(server, request(http.MethodPost, "", "Accept", "application/json")); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := serve(server, request(http.MethodPost, "", "Accept", "text/html"))
	wantProblem(t, w, http.StatusNotAcceptable, codeNotAcceptable)
}

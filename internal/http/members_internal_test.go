package http

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// User ids from identity providers are accepted unchanged.
func TestUserIDs(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"orgd":        "usr_00000000000000000000000000000001",
		"Clerk":       "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
		"Auth0":       "google-oauth2|115015401343387192604",
		"Firebase":    "piAFo4E5x6RWXeHFTnmJyMjgKhJ2",
		"Zitadel":     "163840776835432705",
		"a UUID":      "0B6A6B58-6F3C-4F0E-9D2A-54D3C3B6A1E7",
		"Cognito":     "us-east-1:0b6a6b58-6f3c-4f0e-9d2a-54d3c3b6a1e7",
		"an address":  "a+b%40/c@example.com",
		"the longest": strings.Repeat("😀", 255),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := json.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if bad := decoded(t, `{"userId":`+string(raw)+`}`, userIDField(&got).must()); bad != nil || got != id {
				t.Errorf("read as %q, %v", got, bad)
			}
		})
	}
	for name, tc := range map[string]struct{ raw, code string }{
		"empty":              {`""`, "required"},
		"a space at the end": {`"u "`, "invalid"},
		"a line break":       {`"u\n1"`, "invalid"},
		"U+0000":             {`"u\u00001"`, "invalid"},
		"256 characters":     {`"` + strings.Repeat("é", 256) + `"`, "too_long"},
		"null":               {"null", "wrong_type"},
		"a number":           {"1", "wrong_type"},
		"an array":           {`["u"]`, "wrong_type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]string{"userId " + tc.code}, decoded(t, `{"userId":`+tc.raw+`}`, userIDField(new(string)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

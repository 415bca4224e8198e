package orgs_test

import (
	"errors"
	"strings"
	"testing"

	"orgd/internal/orgs"
	"orgd/internal/text"
)

func TestRules(t *testing.T) {
	t.Parallel()
	name := func(s string) error { _, err := orgs.ValidName(s); return err }
	for title, tc := range map[string]struct {
		valid func(string) error
		in    string
		want  error
	}{
		"name":                    {name, "Müller & Söhne", nil},
		"longest name":            {name, strings.Repeat("é", 255), nil},
		"name that is too long":   {name, strings.Repeat("é", 256), text.TooLongError{Max: 255}},
		"name of white space":     {name, " \n", text.ErrEmpty},
		"invisible name":          {name, "\u2060", text.ErrInvisible},
		"invisible user id":       {orgs.ValidUserID, "\u2060", nil},
		"name of two lines":       {name, "a\nb", text.ErrControl},
		"key":                     {orgs.ValidMetadataKey, "a]b\n", nil},
		"longest key":             {orgs.ValidMetadataKey, strings.Repeat("é", 100), nil},
		"key that is too long":    {orgs.ValidMetadataKey, strings.Repeat("é", 101), text.TooLongError{Max: 100}},
		"empty key":               {orgs.ValidMetadataKey, "", orgs.ErrEmptyKey},
		"key of white space":      {orgs.ValidMetadataKey, " ", nil},
		"key with U+0000":         {orgs.ValidMetadataKey, "a\x00", text.ErrNUL},
		"empty value":             {orgs.ValidMetadataValue, "", nil},
		"longest value":           {orgs.ValidMetadataValue, strings.Repeat("é", 1000), nil},
		"value that is too long":  {orgs.ValidMetadataValue, strings.Repeat("é", 1001), text.TooLongError{Max: 1000}},
		"value with U+0000":       {orgs.ValidMetadataValue, "\x00", text.ErrNUL},
		"value that is not UTF-8": {orgs.ValidMetadataValue, "\xff", text.ErrEncoding},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if err := tc.valid(tc.in); !errors.Is(err, tc.want) {
				t.Errorf("%.20q: %v, want %v", tc.in, err, tc.want)
			}
		})
	}
}

func TestValidNameTrims(t *testing.T) {
	t.Parallel()
	if name, err := orgs.ValidName("\t Acme Inc \n"); err != nil || name != "Acme Inc" {
		t.Errorf("ValidName = %q, %v", name, err)
	}
}

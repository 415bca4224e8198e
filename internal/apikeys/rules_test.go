package apikeys_test

import (
	"errors"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/text"
)

func TestValidDescription(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in, want string
		err      error
	}{
		"text":             {"CI of Müller & Söhne", "CI of Müller & Söhne", nil},
		"white space":      {" CI\n", "CI", nil},
		"longest":          {strings.Repeat("é", 255), strings.Repeat("é", 255), nil},
		"too long":         {strings.Repeat("é", 256), "", text.TooLongError{Max: 255}},
		"only white space": {" ", "", text.ErrEmpty},
		"invisible":        {"\u2060", "", text.ErrInvisible},
		"two lines":        {"a\nb", "", text.ErrControl},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := apikeys.ValidDescription(tc.in); got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("ValidDescription(%.20q) = %.20q, %v; want %.20q, %v", tc.in, got, err, tc.want, tc.err)
			}
		})
	}
}

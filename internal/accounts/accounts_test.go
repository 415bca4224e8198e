package accounts_test

import (
	"errors"
	"strings"
	"testing"

	"orgd/internal/accounts"
	"orgd/internal/text"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in, want string
		err      error
	}{
		"text":             {"Müller & Söhne", "Müller & Söhne", nil},
		"white space":      {" Acme\n", "Acme", nil},
		"longest":          {strings.Repeat("é", 255), strings.Repeat("é", 255), nil},
		"too long":         {strings.Repeat("é", 256), "", text.TooLongError{Max: 255}},
		"only white space": {" ", "", text.ErrEmpty},
		"invisible":        {"\u2060", "", text.ErrInvisible},
		"two lines":        {"a\nb", "", text.ErrControl},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := accounts.ValidName(tc.in); got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("ValidName(%.20q) = %.20q, %v; want %.20q, %v", tc.in, got, err, tc.want, tc.err)
			}
		})
	}
}

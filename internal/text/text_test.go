package text_test

import (
	"errors"
	"strings"
	"testing"

	"orgd/internal/text"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in, want string
		err      error
	}{
		"one character":            {"x", "x", nil},
		"inner white space":        {"a  b", "a  b", nil},
		"outer white space":        {" \t\n\u00a0\u0085a b\u2003\r\n", "a b", nil},
		"as long as the limit":     {strings.Repeat("😀", 5), strings.Repeat("😀", 5), nil},
		"trimmed to the limit":     {" 12345 ", "12345", nil},
		"longer than the limit":    {strings.Repeat("é", 6), "", text.TooLongError{Max: 5}},
		"empty":                    {"", "", text.ErrEmpty},
		"only white space":         {" \t\n\u2003", "", text.ErrEmpty},
		"a line break":             {"a\nb", "", text.ErrControl},
		"U+0000":                   {"a\x00", "", text.ErrControl},
		"a C1 control character":   {"a\u009f", "", text.ErrControl},
		"a long text with control": {"a\nbcdef", "", text.TooLongError{Max: 5}},
		"not UTF-8":                {"a\xff", "", text.ErrEncoding},
		"a soft hyphen":            {"\u00ad", "", text.ErrInvisible},
		"zero-width characters":    {"\u200b\u2060\ufeff", "", text.ErrInvisible},
		"bidirectional marks":      {"\u202a\u202c\u200f", "", text.ErrInvisible},
		"Hangul fillers":           {"\u115f\u1160\u3164\uffa0", "", text.ErrInvisible},
		"a blank Braille pattern":  {"\u2800", "", text.ErrInvisible},
		"a variation selector":     {"\ufe0f", "", text.ErrInvisible},
		"tags":                     {"\U000e0041\U000e007f", "", text.ErrInvisible},
		"invisible and white":      {"\u200b \u200b", "", text.ErrInvisible},
		"one that is visible":      {"\u200ba\u200b", "\u200ba\u200b", nil},
		"a mark":                   {"\u0301", "\u0301", nil},
		"an emoji":                 {"❤\ufe0f", "❤\ufe0f", nil},
		"a sign of the year":       {"\u0601", "\u0601", nil}, // Arabic; it encloses the digits that follow
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := text.Line(tc.in, 5); got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("Line(%q) = %q, %v; want %q, %v", tc.in, got, err, tc.want, tc.err)
			}
		})
	}
}

func TestCheckID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in  string
		err error
	}{
		"one character":            {"x", nil},
		"inner white space":        {"a b", nil},
		"as long as the limit":     {strings.Repeat("😀", 5), nil},
		"longer than the limit":    {"123456", text.TooLongError{Max: 5}},
		"empty":                    {"", text.ErrEmpty},
		"only white space":         {"\u2003", text.ErrEmpty},
		"white space at the start": {" a", text.ErrSpace},
		"white space at the end":   {"a\u00a0", text.ErrSpace},
		"a line break at the end":  {"a\n", text.ErrSpace},
		"a control character":      {"a\x7fb", text.ErrControl},
		"not UTF-8":                {"a\xff", text.ErrEncoding},
		"no visible character":     {"\u200b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := text.CheckID(tc.in, 5); !errors.Is(err, tc.err) {
				t.Errorf("CheckID(%q) = %v, want %v", tc.in, err, tc.err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in  string
		err error
	}{
		"empty":                 {"", nil},
		"only white space":      {" \n", nil},
		"control characters":    {"\x01\u009f", nil},
		"as long as the limit":  {strings.Repeat("😀", 5), nil},
		"longer than the limit": {strings.Repeat("é", 6), text.TooLongError{Max: 5}},
		"U+0000":                {"a\x00", text.ErrNUL},
		"not UTF-8":             {"a\xff", text.ErrEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := text.Check(tc.in, 5); !errors.Is(err, tc.err) {
				t.Errorf("Check(%q) = %v, want %v", tc.in, err, tc.err)
			}
		})
	}
}

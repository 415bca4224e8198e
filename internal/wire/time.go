// Package wire has the JSON objects that the API returns and the commands print.
package wire

import (
	"strings"
	"time"
)

// Time is a time whose text form is that of AppendTime.
type Time time.Time

// MarshalText returns the time in the format of AppendTime.
func (t Time) MarshalText() ([]byte, error) { return AppendTime(nil, time.Time(t)), nil }

// OptionalTime returns nil for the zero time.
func OptionalTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	w := Time(t)
	return &w
}

// ParseTime parses an RFC 3339 time. It rejects a comma before the fraction and an hour of
// one digit, which time.Parse accepts.
func ParseTime(value string) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339, value)
	return t, err == nil && !strings.Contains(value, ",") && strings.IndexByte(value, ':') == len("2006-01-02T15")
}

// AppendTime appends t in UTC as RFC 3339, with six digits of fraction, or with none if
// the fraction is zero.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = append(b, '-')
	b = appendDigits(b, int(month), 2)
	b = append(b, '-')
	b = appendDigits(b, day, 2)
	b = append(b, 'T')
	b = appendDigits(b, hour, 2)
	b = append(b, ':')
	b = appendDigits(b, minute, 2)
	b = append(b, ':')
	b = appendDigits(b, second, 2)
	if micros := t.Nanosecond() / 1000; micros != 0 {
		b = append(b, '.')
		b = appendDigits(b, micros, 6)
	}
	return append(b, 'Z')
}

func appendDigits(b []byte, n, width int) []byte {
	end := len(b) + width
	b = append(b, "000000"[:width]...)
	for i := end - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

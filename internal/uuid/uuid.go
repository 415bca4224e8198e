// Package uuid creates and parses orgd's 16-byte identifiers (RFC 9562).
package uuid

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// UUID is any 16 bytes. pgx reads and writes it as the type uuid of PostgreSQL.
type UUID [16]byte

// ErrMalformed means that a text is not 32 hexadecimal digits in the form 8-4-4-4-12.
var ErrMalformed = errors.New("uuid: must be 32 hexadecimal digits in the form 8-4-4-4-12")

// NewV7 returns a UUIDv7 of the current millisecond (RFC 9562 section 5.7). Anybody can
// read the time from it, so it must not serve as a secret. The order of ids may differ from
// the order of commits.
func NewV7() UUID {
	var random [10]byte
	rand.Read(random[:]) // never returns an error: it ends the program instead
	return V7(time.Now(), random)
}

// V7 returns the UUIDv7 for t, cut to milliseconds, with 74 of the random bits.
func V7(t time.Time, random [10]byte) UUID {
	var u UUID
	binary.BigEndian.PutUint64(u[:8], uint64(t.UnixMilli())<<16)
	copy(u[6:], random[:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Parse parses the form with dashes, in upper or lower case. For any other text it
// returns ErrMalformed.
func Parse(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, ErrMalformed
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, ErrMalformed
	}
	return u, nil
}

// UnmarshalText parses like Parse, for flags and JSON.
func (u *UUID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// MarshalText returns the result of String, for JSON.
func (u UUID) MarshalText() ([]byte, error) { return u.Append(nil), nil }

// String returns the form with dashes, in lower case.
func (u UUID) String() string {
	return string(u.Append(make([]byte, 0, 36)))
}

// Append appends the result of String to b.
func (u UUID) Append(b []byte) []byte {
	b = hex.AppendEncode(b, u[:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, u[10:])
}

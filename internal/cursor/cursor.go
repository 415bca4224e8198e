// Package cursor encodes and decodes page tokens. A token is a position in a list ordered
// by (created_at, id) or by (name, id). It is valid only for the list that it was made
// for.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrInvalid means that a token was not made for this scope: it is malformed or altered,
// or it belongs to another tenant, route, filter or order.
var ErrInvalid = errors.New("cursor: not a token of this list")

// MaxLimit is the maximum number of entries on a page of any list.
const MaxLimit = 100

// MaxName is the maximum size in bytes of the name in a NamePosition. It keeps tokens
// within 200 characters, the limit of the API.
const MaxName = 120

// Position is the key of the row at the edge of a page: the last row if the token is for
// the next page, or the first row if it is for the previous page. The row itself need not
// exist any more.
type Position struct {
	CreatedAt time.Time // whole microseconds, as PostgreSQL stores them
	ID        [16]byte
}

// NamePosition is the counterpart of Position in a list that is ordered by name.
type NamePosition struct {
	Name string // UTF-8 without U+0000, at most MaxName bytes
	ID   [16]byte
}

// The payload of version 1 is the version, created_at in microseconds since 1970, the id,
// and a digest. The payload of version 2 is the version, the id, the name, and a digest.
// The digest is the first 8 bytes of the SHA-256 of the fields before it and the scope.
const (
	version1   = 1
	timeAt     = 1
	idAt       = timeAt + 8
	fieldsSize = idAt + 16

	version2 = 2
	nameIDAt = 1
	nameAt   = nameIDAt + 16

	digestSize = 8
	maxSize    = nameAt + MaxName + digestSize
)

// The decoder is strict, so that each payload has exactly one encoding.
var encoding = base64.RawURLEncoding.Strict()

// Encode returns the token for a position in the list that scope identifies. The scope
// contains at least the tenant, the route, the filters and the order. The token is 44
// characters of base64url (RFC 4648 section 5) without padding.
func Encode(p Position, scope []byte) string {
	var payload [fieldsSize + digestSize]byte
	payload[0] = version1
	binary.BigEndian.PutUint64(payload[timeAt:], uint64(p.CreatedAt.UnixMicro()))
	copy(payload[idAt:], p.ID[:])
	return seal(payload[:fieldsSize], scope)
}

// EncodeName is Encode for a list that is ordered by name. The token has 34 to 194
// characters.
func EncodeName(p NamePosition, scope []byte) string {
	fields := make([]byte, 0, maxSize)
	fields = append(fields, version2)
	fields = append(fields, p.ID[:]...)
	return seal(append(fields, p.Name...), scope)
}

// Decode returns the position in a token that Encode made for the same scope, in this
// release or an earlier one. For any other token it returns ErrInvalid.
//
// The digest catches mistakes of honest clients; it is not a secret. A forged token can
// have any position, but it shows nothing that its holder could not list anyway.
func Decode(token string, scope []byte) (Position, error) {
	fields, err := open(token, version1, scope)
	if err != nil || len(fields) != fieldsSize {
		return Position{}, ErrInvalid
	}
	micros := int64(binary.BigEndian.Uint64(fields[timeAt:]))
	if micros < minMicros || micros > maxMicros {
		return Position{}, ErrInvalid
	}
	return Position{CreatedAt: time.UnixMicro(micros).UTC(), ID: [16]byte(fields[idAt:])}, nil
}

// DecodeName is Decode for the tokens of EncodeName.
func DecodeName(token string, scope []byte) (NamePosition, error) {
	fields, err := open(token, version2, scope)
	if err != nil || len(fields) < nameAt {
		return NamePosition{}, ErrInvalid
	}
	p := NamePosition{Name: string(fields[nameAt:]), ID: [16]byte(fields[nameIDAt:nameAt])}
	// PostgreSQL rejects invalid UTF-8 and U+0000.
	if !utf8.ValidString(p.Name) || strings.ContainsRune(p.Name, 0) {
		return NamePosition{}, ErrInvalid
	}
	return p, nil
}

// The years 1 to 9999, which fit into a timestamptz, so that a forged token cannot cause
// a database error.
const (
	minMicros = -62_135_596_800_000_000
	maxMicros = 253_402_300_799_999_999
)

// seal appends the digest to the fields, and encodes both.
func seal(fields, scope []byte) string {
	digest := digest(fields, scope)
	return encoding.EncodeToString(append(fields, digest[:]...))
}

// open returns the fields of a token of this version. Errors: ErrInvalid.
func open(token string, version byte, scope []byte) (fields []byte, err error) {
	// The decoder skips line breaks. Without this check, a payload would have several
	// encodings.
	if len(token) > encoding.EncodedLen(maxSize) || strings.ContainsAny(token, "\r\n") {
		return nil, ErrInvalid
	}
	payload, err := encoding.DecodeString(token)
	if err != nil || len(payload) < 1+digestSize || payload[0] != version {
		return nil, ErrInvalid
	}
	end := len(payload) - digestSize
	if digest(payload[:end], scope) != [digestSize]byte(payload[end:]) {
		return nil, ErrInvalid
	}
	return payload[:end], nil
}

func digest(payload, scope []byte) [digestSize]byte {
	h := sha256.New()
	h.Write(payload)
	h.Write(scope)
	return [digestSize]byte(h.Sum(nil))
}

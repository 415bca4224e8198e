// Package cursor encodes and decodes page tokens. A token is a position in a list ordered
// by (created_at, id). It is valid only for the list for which it was made.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// ErrInvalid means that a token was not made by Encode for this scope: it is malformed or
// altered, or it belongs to another tenant, route or filter.
var ErrInvalid = errors.New("cursor: not a token of this list")

// MaxLimit is the maximum number of entries on a page of any list.
const MaxLimit = 100

// Position is the key of the last row of a page. The next page starts after it, whether or
// not the row still exists.
type Position struct {
	CreatedAt time.Time // whole microseconds, as PostgreSQL stores them
	ID        [16]byte
}

// The payload of version 1 is the version, created_at in microseconds since 1970, the id,
// and the first 8 bytes of the SHA-256 of these fields and the scope.
const (
	version1 = 1

	timeAt   = 1
	idAt     = timeAt + 8
	digestAt = idAt + 16
	size     = digestAt + 8
)

// The decoder is strict, so that each payload has exactly one encoding.
var encoding = base64.RawURLEncoding.Strict()

// Encode returns the token for a position in the list that scope identifies. The scope
// contains at least the tenant, the route and the filters. The token is 44 characters of
// base64url (RFC 4648 section 5) without padding.
func Encode(p Position, scope []byte) string {
	var payload [size]byte
	payload[0] = version1
	binary.BigEndian.PutUint64(payload[timeAt:], uint64(p.CreatedAt.UnixMicro()))
	copy(payload[idAt:], p.ID[:])
	digest := digest(payload[:digestAt], scope)
	copy(payload[digestAt:], digest[:])
	return encoding.EncodeToString(payload[:])
}

// Decode returns the position in a token that Encode made for the same scope, in this
// release or an earlier one. For any other token it returns ErrInvalid.
//
// The digest catches mistakes of honest clients; it is not a secret. A forged token can
// have any position, but it shows nothing that its holder could not list anyway.
func Decode(token string, scope []byte) (Position, error) {
	// The decoder skips line breaks. Without this check, a payload would have several
	// encodings.
	if len(token) != encoding.EncodedLen(size) {
		return Position{}, ErrInvalid
	}
	var payload [size]byte
	if n, err := encoding.Decode(payload[:], []byte(token)); err != nil || n != size {
		return Position{}, ErrInvalid
	}
	if payload[0] != version1 {
		return Position{}, ErrInvalid
	}
	if digest(payload[:digestAt], scope) != [8]byte(payload[digestAt:]) {
		return Position{}, ErrInvalid
	}
	micros := int64(binary.BigEndian.Uint64(payload[timeAt:]))
	if micros < minMicros || micros > maxMicros {
		return Position{}, ErrInvalid
	}
	return Position{
		CreatedAt: time.UnixMicro(micros).UTC(),
		ID:        [16]byte(payload[idAt:]),
	}, nil
}

// The years 1 to 9999, which fit into a timestamptz, so that a forged token cannot cause
// a database error.
const (
	minMicros = -62_135_596_800_000_000
	maxMicros = 253_402_300_799_999_999
)

func digest(payload, scope []byte) [8]byte {
	h := sha256.New()
	h.Write(payload)
	h.Write(scope)
	return [8]byte(h.Sum(nil))
}

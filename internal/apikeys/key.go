// Package apikeys has the format of API keys, their records in the database, and the
// authentication of requests.
package apikeys

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"regexp"
	"strconv"
	"strings"
)

// ErrMalformed means that a text is not a key: its form or its checksum is wrong.
var ErrMalformed = errors.New("apikeys: not a key")

// A key is "orgd_", 30 random base62 characters (178 bits), and 6 base62 characters of
// the CRC-32 (IEEE) of everything before them. The checksum lets scanners recognize keys
// offline, and lets orgd reject garbage without a query. It does not prevent forgery.
const (
	prefix      = "orgd_"
	randomSize  = 30
	checkedSize = len(prefix) + randomSize
	crcSize     = 6
	keySize     = checkedSize + crcSize

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Key is a key in plain text. It prints as its hint; only Reveal returns the key itself.
type Key struct{ text string }

// NewKey returns a new random key.
func NewKey() Key {
	text := make([]byte, 0, keySize)
	text = append(text, prefix...)
	var random [randomSize]byte
	for len(text) < checkedSize {
		rand.Read(random[:]) // never fails: the program crashes instead
		for _, b := range random {
			// 248 is the largest multiple of 62 that a byte can hold. With larger bytes, the
			// first characters of base62 would be more frequent than the others.
			if b < 248 && len(text) < checkedSize {
				text = append(text, base62[b%62])
			}
		}
	}
	return Key{text: string(appendChecksum(text))}
}

// ParseKey returns the key in s, or ErrMalformed. It does not query the database.
func ParseKey(s string) (Key, error) {
	if len(s) != keySize || !strings.HasPrefix(s, prefix) {
		return Key{}, ErrMalformed
	}
	for i := len(prefix); i < keySize; i++ {
		if strings.IndexByte(base62, s[i]) < 0 {
			return Key{}, ErrMalformed
		}
	}
	var buf [keySize]byte
	if string(appendChecksum(append(buf[:0], s[:checkedSize]...))) != s {
		return Key{}, ErrMalformed
	}
	return Key{text: s}, nil
}

var (
	keyForm = regexp.MustCompile(prefix + `[0-9A-Za-z]{` + strconv.Itoa(randomSize+crcSize) + `}`)
	// keyLike also matches a truncated key, whose missing end could be guessed, and a key
	// with a percent-encoded underscore.
	keyLike = regexp.MustCompile(`orgd(_|(%25)*%5[Ff])[0-9A-Za-z]{8,}`)
)

// HasKey reports whether the text contains a key.
func HasKey(text string) bool { return strings.Contains(text, prefix) && keyForm.MatchString(text) }

// Redact returns the text with "orgd_…" in place of everything that looks like a key, for
// logs and responses.
func Redact(text string) string {
	if !strings.Contains(text, "orgd") {
		return text
	}
	return keyLike.ReplaceAllString(text, prefix+"…")
}

func appendChecksum(text []byte) []byte {
	sum := crc32.ChecksumIEEE(text)
	var digits [crcSize]byte
	for i := crcSize - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return append(text, digits[:]...)
}

// IsVaried reports whether the key has at least 12 different characters, as practically
// every random key has. A key that somebody made up, or copied from an example, may have
// fewer.
func (k Key) IsVaried() bool {
	different := map[rune]bool{}
	for _, c := range k.text[len(prefix):checkedSize] {
		different[c] = true
	}
	return len(different) >= 12
}

// Reveal returns the key in plain text, to show it to its owner once.
func (k Key) Reveal() string { return k.text }

// Digest returns the hash that the database stores. A key has too many random bits for a
// brute-force search, so one fast hash is enough.
func (k Key) Digest() [sha256.Size]byte { return sha256.Sum256([]byte(k.text)) }

// Hint returns the prefix and the last four characters, by which owners recognize a key.
func (k Key) Hint() string { return prefix + "…" + k.text[keySize-4:] }

// String returns the hint, so a key that is printed by mistake stays secret.
func (k Key) String() string { return k.Hint() }

// GoString returns the hint, so %#v keeps the key secret too.
func (k Key) GoString() string { return k.Hint() }

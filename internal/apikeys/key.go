// Package apikeys holds the keys that open orgd: their format, what the
// database keeps of them, and who a key speaks for.
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

// ErrMalformed says that a text is not a key: its form or its checksum is wrong.
var ErrMalformed = errors.New("apikeys: not a key")

// A key is "orgd_", 30 random base62 characters (178 bits), and 6 base62
// characters of the CRC-32 (IEEE) over all that stands before them. The checksum
// lets a scanner find keys offline, and junk be refused without a query; it is
// no protection.
const (
	prefix      = "orgd_"
	randomSize  = 30
	checkedSize = len(prefix) + randomSize
	crcSize     = 6
	keySize     = checkedSize + crcSize

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Key is a key in clear. It prints as its hint; only Reveal tells it.
type Key struct{ text string }

// NewKey makes a key that nobody can guess.
func NewKey() Key {
	text := make([]byte, 0, keySize)
	text = append(text, prefix...)
	var random [randomSize]byte
	for len(text) < checkedSize {
		rand.Read(random[:]) // never fails: the program is stopped instead
		for _, b := range random {
			// 248 is the largest multiple of 62 in a byte: beyond it the first
			// characters would come more often.
			if b < 248 && len(text) < checkedSize {
				text = append(text, base62[b%62])
			}
		}
	}
	return Key{text: string(appendChecksum(text))}
}

// ParseKey returns the key in s, or ErrMalformed. It asks no database.
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
	// Also a key that lacks its end, which can be found by trying, and one whose
	// underscore is escaped.
	keyLike = regexp.MustCompile(`orgd(_|(%25)*%5[Ff])[0-9A-Za-z]{8,}`)
)

// HasKey says whether a key is in the text.
func HasKey(text string) bool { return strings.Contains(text, prefix) && keyForm.MatchString(text) }

// Redact returns the text with every key in it, or what looks like one, cut to its
// prefix, for what is logged or answered.
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

// Reveal returns the key in clear, to be shown to its owner once.
func (k Key) Reveal() string { return k.text }

// Digest returns what the database keeps: a key has far more bits than can be
// tried, so one fast hash is enough.
func (k Key) Digest() [sha256.Size]byte { return sha256.Sum256([]byte(k.text)) }

// Hint returns the prefix and the last four characters, by which its owner
// tells one key from another.
func (k Key) Hint() string { return prefix + "…" + k.text[keySize-4:] }

// String returns the hint, so that a key that is printed by mistake stays secret.
func (k Key) String() string { return k.Hint() }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.Hint() }

package cursor_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgd/internal/cursor"
)

func TestRoundTripKeepsMicroseconds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := cursor.Position{
			CreatedAt: time.UnixMicro(rapid.Int64Range(0, 253_402_300_799_999_999).Draw(t, "micros")).UTC(),
			ID:        [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
		}
		scope := rapid.SliceOf(rapid.Byte()).Draw(t, "scope")
		token := cursor.Encode(want, scope)
		if !isShortBase64URL(token) {
			t.Fatalf("token %q is not short base64url", token)
		}
		got, err := cursor.Decode(token, scope)
		if err != nil || got != want {
			t.Fatalf("Decode(Encode(%v)) = %v, %v", want, got, err)
		}
	})
}

// isShortBase64URL reports whether the token is within the limits of the API.
func isShortBase64URL(token string) bool {
	return len(token) < 200 && strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func TestEveryFlippedBitIsRejected(t *testing.T) {
	t.Parallel()
	scope := []byte("scope")
	token := cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1), ID: [16]byte{1}}, scope)
	for i := range len(token) * 8 {
		altered := []byte(token)
		altered[i/8] ^= 1 << (i % 8)
		rejected(t, string(altered), scope)
	}
}

func TestOtherEncodingsAreRejected(t *testing.T) {
	t.Parallel()
	scope := []byte("scope")
	token := cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1), ID: [16]byte{1}}, scope)
	for name, s := range map[string]string{
		"empty":                       "",
		"one character":               "a",
		"without the first character": token[1:],
		"without the last character":  token[:len(token)-1],
		"longer":                      token + "A",
		"padded":                      token + "=",
		"line break inside":           token[:20] + "\n" + token[20:],
		"line break at the end":       token[:len(token)-1] + "\n",
		"zeros":                       strings.Repeat("A", len(token)),
		"a million characters":        strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rejected(t, s, scope)
		})
	}
}

func TestOtherScopeIsRejected(t *testing.T) {
	t.Parallel()
	token := cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1)}, []byte("mine"))
	rejected(t, token, []byte("yours"))
	rejected(t, token, nil)
}

// A client that knows the format can forge a token. Decode rejects times that the
// database does not accept, and unknown versions.
func TestForgedTokensAreRejected(t *testing.T) {
	t.Parallel()
	scope := []byte("scope")
	for _, year := range []int{-4000, 0, 10_000, 200_000} {
		t.Run(fmt.Sprint("year ", year), func(t *testing.T) {
			t.Parallel()
			rejected(t, cursor.Encode(cursor.Position{CreatedAt: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}, scope), scope)
		})
	}
	for _, version := range []byte{0, 2, 255} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			t.Parallel()
			payload := make([]byte, 25, 33)
			payload[0] = version
			digest := sha256.Sum256(append(slices.Clone(payload), scope...))
			rejected(t, base64.RawURLEncoding.EncodeToString(append(payload, digest[:8]...)), scope)
		})
	}
}

// Tokens of every version that a release has written must remain readable.
func TestFixturesOfEarlierVersions(t *testing.T) {
	t.Parallel()
	fixture, err := os.ReadFile("testdata/v1.token")
	if err != nil {
		t.Fatal(err)
	}
	got, err := cursor.Decode(strings.TrimSpace(string(fixture)), []byte("fixture"))
	if err != nil {
		t.Fatal(err)
	}
	want := cursor.Position{
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
		ID:        [16]byte{0x01, 0x9b, 0x7c, 3, 4, 5, 0x76, 7, 0x88, 9, 10, 11, 12, 13, 14, 15},
	}
	if got != want {
		t.Fatalf("v1 fixture decodes to %v, want %v", got, want)
	}
	if token := cursor.Encode(want, []byte("fixture")); token != strings.TrimSpace(string(fixture)) {
		t.Fatalf("Encode = %s: a new format needs a new version byte and a new fixture", token)
	}
}

func FuzzDecode(f *testing.F) {
	scope := []byte("scope")
	f.Add(cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1)}, scope))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 33)))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := cursor.Decode(token, scope)
		if err != nil {
			if !errors.Is(err, cursor.ErrInvalid) {
				t.Fatalf("Decode(%q): %v is not ErrInvalid", token, err)
			}
			return
		}
		if again := cursor.Encode(p, scope); again != token {
			t.Fatalf("%q decodes to %v, which encodes to %q", token, p, again)
		}
	})
}

func rejected(t *testing.T, token string, scope []byte) {
	t.Helper()
	if p, err := cursor.Decode(token, scope); !errors.Is(err, cursor.ErrInvalid) {
		t.Errorf("Decode(%.80q) = %v, %v; want ErrInvalid", token, p, err)
	}
}

func TestNameRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 30, cursor.MaxName).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }).Draw(t, "name")
		want := cursor.NamePosition{Name: name, ID: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		scope := rapid.SliceOf(rapid.Byte()).Draw(t, "scope")
		token := cursor.EncodeName(want, scope)
		if !isShortBase64URL(token) {
			t.Fatalf("token %q is not short base64url", token)
		}
		got, err := cursor.DecodeName(token, scope)
		if err != nil || got != want {
			t.Fatalf("DecodeName(EncodeName(%v)) = %v, %v", want, got, err)
		}
	})
}

func TestNameTokensAreChecked(t *testing.T) {
	t.Parallel()
	scope := []byte("scope")
	token := cursor.EncodeName(cursor.NamePosition{Name: "Åkesson", ID: [16]byte{1}}, scope)
	for name, s := range map[string]string{
		"empty":                       "",
		"one character":               "a",
		"without the first character": token[1:],
		"without the last character":  token[:len(token)-1],
		"longer":                      token + "A",
		"line break inside":           token[:20] + "\n" + token[20:],
		"a million characters":        strings.Repeat("A", 1<<20),
		"a name that is too long":     cursor.EncodeName(cursor.NamePosition{Name: strings.Repeat("a", cursor.MaxName+1)}, scope),
		"not UTF-8":                   cursor.EncodeName(cursor.NamePosition{Name: "\xff"}, scope),
		"U+0000":                      cursor.EncodeName(cursor.NamePosition{Name: "a\x00"}, scope),
		"a token ordered by time":     cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1)}, scope),
		"another scope":               cursor.EncodeName(cursor.NamePosition{Name: "a"}, []byte("other")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := cursor.DecodeName(s, scope); !errors.Is(err, cursor.ErrInvalid) {
				t.Errorf("DecodeName(%.50q) = %v, %v", s, p, err)
			}
		})
	}
	t.Run("flipped bits", func(t *testing.T) {
		t.Parallel()
		for i := range len(token) * 8 {
			altered := []byte(token)
			altered[i/8] ^= 1 << (i % 8)
			if p, err := cursor.DecodeName(string(altered), scope); !errors.Is(err, cursor.ErrInvalid) {
				t.Fatalf("DecodeName(%q) = %v, %v", altered, p, err)
			}
		}
	})
	t.Run("a token ordered by name", func(t *testing.T) {
		t.Parallel()
		rejected(t, token, scope)
	})
}

// Tokens of version 2 must remain readable too.
func TestFixtureOfVersion2(t *testing.T) {
	t.Parallel()
	fixture, err := os.ReadFile("testdata/v2.token")
	if err != nil {
		t.Fatal(err)
	}
	want := cursor.NamePosition{Name: "akesson & søn", ID: [16]byte{0x01, 0x9b, 0x7c, 3, 4, 5, 0x76, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}}
	got, err := cursor.DecodeName(strings.TrimSpace(string(fixture)), []byte("fixture"))
	if err != nil || got != want {
		t.Fatalf("v2 fixture decodes to %v, %v; want %v", got, err, want)
	}
	if token := cursor.EncodeName(want, []byte("fixture")); token != strings.TrimSpace(string(fixture)) {
		t.Fatalf("EncodeName = %s: a new format needs a new version byte and a new fixture", token)
	}
}

func FuzzDecodeName(f *testing.F) {
	scope := []byte("scope")
	f.Add(cursor.EncodeName(cursor.NamePosition{Name: "a"}, scope))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := cursor.DecodeName(token, scope)
		if err != nil {
			if !errors.Is(err, cursor.ErrInvalid) {
				t.Fatalf("DecodeName(%q): %v is not ErrInvalid", token, err)
			}
			return
		}
		if again := cursor.EncodeName(p, scope); again != token {
			t.Fatalf("%q decodes to %v, which encodes to %q", token, p, again)
		}
	})
}

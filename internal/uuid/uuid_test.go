package uuid_test

import (
	"errors"
	"testing"
	"time"

	"orgd/internal/uuid"
)

func TestV7(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(0x017F22E279B0)
	// The example of RFC 9562 appendix A.6.
	got := uuid.V7(at, [10]byte{0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F})
	if want := "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"; got.String() != want {
		t.Fatalf("V7 = %s, want %s", got, want)
	}
	if a, b := uuid.NewV7(), uuid.NewV7(); a == b {
		t.Fatalf("NewV7 returned %s twice", a)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"} {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			u, err := uuid.Parse(s)
			if err != nil || u.String() != "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" {
				t.Errorf("Parse(%s) = %s, %v", s, u, err)
			}
		})
	}
	for _, s := range []string{
		"", "017f22e279b07cc398c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398fa", "g17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"017f22e2079b0-7cc3-98c4-dc0c0c07398f", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
	} {
		t.Run("malformed "+s, func(t *testing.T) {
			t.Parallel()
			if u, err := uuid.Parse(s); !errors.Is(err, uuid.ErrMalformed) {
				t.Errorf("Parse(%q) = %s, %v; want ErrMalformed", s, u, err)
			}
		})
	}
}

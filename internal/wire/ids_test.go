package wire_test

import (
	"strings"
	"testing"

	"orgd/internal/uuid"
	"orgd/internal/wire"
)

func TestParseIDs(t *testing.T) {
	t.Parallel()
	const digits = "0123456789abcdef0123456789abcdef"
	want := uuid.UUID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	for prefix, parse := range map[string]func(string) (uuid.UUID, bool){"org_": wire.ParseOrgID} {
		if id, ok := parse(prefix + digits); !ok || id != want {
			t.Errorf("%s%s: %s, %t", prefix, digits, id, ok)
		}
		for _, bad := range []string{
			"", prefix, digits, "key_" + digits, strings.ToUpper(prefix) + digits, prefix + prefix + digits,
			prefix + strings.ToUpper(digits), prefix + digits[1:], prefix + digits + "0", prefix + digits + "/", prefix + digits + "\n",
			" " + prefix + digits, prefix + "g" + digits[1:], prefix + digits[:15] + "-" + digits[16:], prefix + digits[:31] + "%", prefix + digits[:30] + "é",
			prefix + "01234567-89ab-cdef-0123-456789abcdef",
		} {
			if id, ok := parse(bad); ok || id != (uuid.UUID{}) {
				t.Errorf("%q is read as %s", bad, id)
			}
		}
	}
}

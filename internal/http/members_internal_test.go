package http

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/uuid"
)

func TestUserIDs(t *testing.T) {
	t.Parallel()
	const one = "usr_00000000000000000000000000000001"
	var id uuid.UUID
	if bad := decoded(t, `{"userId":"`+one+`"}`, userIDField(&id).must()); bad != nil || id != (uuid.UUID{15: 1}) {
		t.Errorf("%s: %s, %v", one, id, bad)
	}
	for raw, code := range map[string]string{
		`""`: "invalid", `"` + one + ` "`: "invalid", `"org_00000000000000000000000000000001"`: "invalid", `"usr_0000000000000000000000000000000A"`: "invalid",
		"null": "wrong_type", "1": "wrong_type", `["` + one + `"]`: "wrong_type",
	} {
		if diff := cmp.Diff([]string{"userId " + code}, decoded(t, `{"userId":`+raw+`}`, userIDField(new(uuid.UUID)))); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

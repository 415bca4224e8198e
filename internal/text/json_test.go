package text_test

import (
	"testing"

	"orgd/internal/text"
)

func TestMarshalJSON(t *testing.T) {
	t.Parallel()
	got, err := text.MarshalJSON(map[string]string{"b": "<a href=\"x\">&\n", "a": "é"})
	if want := `{"a":"é","b":"<a href=\"x\">&\n"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

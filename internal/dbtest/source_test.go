package dbtest_test

import (
	"strings"
	"testing"

	"orgd"
	"orgd/internal/dbtest"
)

func TestImageIsThatOfTheComposeFile(t *testing.T) {
	t.Parallel()
	if want := "image: " + dbtest.Image + "\n"; !strings.Contains(string(orgd.Compose), want) {
		t.Errorf("docker-compose.yml has no line %q", want)
	}
}

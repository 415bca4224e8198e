package orgd_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"orgd/internal/events"
)

// events.Types lists exactly the event types that the code and the migrations write.
func TestEventTypesAreComplete(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	eventType := regexp.MustCompile(`['"]((?:account|api_key|org|user|webhook)\.[a-z_]+)['"]`)
	for _, pattern := range []string{"migrations/*.sql", "internal/accounts/*.go", "internal/apikeys/*.go", "internal/orgs/*.go", "internal/webhooks/*.go"} {
		for _, file := range glob(t, pattern) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range eventType.FindAllStringSubmatch(string(text), -1) {
				written[found[1]] = true
			}
		}
	}
	delete(written, "webhook.test") // a message that is not an event
	if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, events.Types) {
		t.Errorf("written: %q\nlisted:  %q", got, events.Types)
	}
}

package seed

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestOrgsObeyTheContract(t *testing.T) {
	t.Parallel()
	ids := map[uuid.UUID]bool{}
	for _, seed := range []uint64{0, 1, 2, 1 << 63, 20260101} {
		const n = 10_000
		names := map[string]bool{}
		for _, o := range generate(Options{Orgs: n, Seed: seed}) {
			checkName(t, o.name)
			checkMetadata(t, o.metadata)
			if o.id[6]>>4 != 7 || o.id[8]>>6 != 0b10 {
				t.Errorf("id %s is not a UUIDv7", o.id)
			}
			if ids[o.id] {
				t.Errorf("id %s is repeated", o.id)
			}
			ids[o.id] = true
			names[o.name] = true
		}
		if len(names) < n*9/10 {
			t.Errorf("seed %d: only %d different names of %d", seed, len(names), n)
		}
	}
}

func checkName(t *testing.T, name string) {
	t.Helper()
	if valid, err := orgs.ValidName(name); err != nil || valid != name {
		t.Errorf("name %q: %v", name, err)
	}
	if strings.Contains(name, "  ") || strings.Contains(name, "$") {
		t.Errorf("name %q was put together badly", name)
	}
}

func checkMetadata(t *testing.T, metadata []byte) {
	t.Helper()
	var pairs map[string]string
	if err := json.Unmarshal(metadata, &pairs); err != nil {
		t.Fatalf("metadata %s: %v", metadata, err)
	}
	if len(pairs) > 6 {
		t.Errorf("metadata %s has %d pairs", metadata, len(pairs))
	}
	for key, value := range pairs {
		if err := errors.Join(orgs.ValidMetadataKey(key), orgs.ValidMetadataValue(value)); err != nil || value == "" {
			t.Errorf("metadata %q: %q: %v", key, value, err)
		}
	}
}

func TestNamesComeFromManyScripts(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for _, o := range generate(Options{Orgs: 5000}) {
		names.WriteString(o.name)
	}
	all := names.String()
	for _, script := range []string{"Latin", "Greek", "Cyrillic", "Han", "Katakana", "Hangul", "Devanagari"} {
		if !strings.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Scripts[script], r) }) {
			t.Errorf("no name with a letter of the script %s", script)
		}
	}
	for _, mark := range []string{"'", "&", "Łódź", "São Paulo", "Zürich", "Ångström", "東京", "Ελλάς", "Київ"} {
		if !strings.Contains(all, mark) {
			t.Errorf("no name with %s", mark)
		}
	}
}

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"orgd/internal/apikeys"
)

// docs/configuration.md has a row for every variable of `server serve` and `server
// migrate up`, with its flag and its default.
func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	rows := map[string][2]string{} // flag and default, by variable
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `--([a-z-]+)` \\| (.*?) \\|")
	for _, m := range row.FindAllStringSubmatch(string(readFile(t, "../../docs/configuration.md")), -1) {
		rows[m[1]] = [2]string{m[2], m[3]}
	}
	checked := map[string]bool{}
	for _, command := range kong.Must(&commandLine{}, kong.Name("server")).Model.Leaves(true) {
		if command.Path() != "serve" && command.Path() != "migrate up" {
			continue
		}
		for _, flag := range command.Flags {
			for _, name := range flag.Envs {
				checked[name] = true
				got, found := rows[name]
				if !found || got[0] != flag.Name {
					t.Errorf("docs/configuration.md gives %s the flag %q, want %q", name, got[0], flag.Name)
				}
				// Computed defaults are described in words.
				if want := "`" + flag.Default + "`"; flag.HasDefault && flag.Default != "0" && !strings.HasPrefix(got[1], want) {
					t.Errorf("docs/configuration.md gives %s the default %s, want %s", name, got[1], want)
				}
			}
		}
	}
	if len(checked) != len(rows) || len(checked) < 20 {
		t.Errorf("the commands have %d variables, but docs/configuration.md lists %d", len(checked), len(rows))
	}
}

// `server keys create` accepts every scope, and its help lists them.
func TestScopesOfKeysCreate(t *testing.T) {
	t.Parallel()
	for _, command := range kong.Must(&commandLine{}, kong.Name("server")).Model.Leaves(true) {
		for _, flag := range command.Flags {
			if command.Path() != "keys create" || flag.Name != "scope" {
				continue
			}
			if want := listScopes(apikeys.Scopes); flag.Enum != want {
				t.Errorf("the scopes are %s, want %s", flag.Enum, want)
			}
			return
		}
	}
	t.Error("keys create has no flag --scope")
}

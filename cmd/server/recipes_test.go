package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"orgd/internal/dbtest"
)

// recipe is a program in docs/import.md. Its first line names the directory in
// testdata/recipes with the files that it reads and the lines that it must write.
var recipe = regexp.MustCompile("(?ms)^```sh\n# (\\w+)\n(.*?)^```$")

// The recipes of docs/import.md write lines that can be imported more than once.
func TestRecipes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	found := recipe.FindAllSubmatch(page, -1)
	if len(found) != 5 {
		t.Fatalf("found %d recipes, want 5", len(found))
	}
	for _, m := range found {
		name, script := string(m[1]), string(m[2])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, _, _ := strings.Cut(script, " ")
			if _, err := exec.LookPath(program); err != nil {
				fmt.Fprintf(os.Stderr, "%s: NOT TESTED: %v\n", t.Name(), err)
				return
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata/recipes", name))); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", "-euc", script)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			made, want := filepath.Join(dir, "orgs.ndjson"), filepath.Join(dir, "want.ndjson")
			if out, err := exec.Command("diff", want, made).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			d := dbtest.New(t)
			account := d.Account(t)
			for _, result := range []string{"imported: 2, already there: 0, ", "imported: 0, already there: 2, "} {
				if out := succeed(t, "import", "--database-url="+d.URL, "--account="+account.String(), made); !strings.HasPrefix(out, result) {
					t.Errorf("import printed %q, want %q", out, result)
				}
			}
		})
	}
}

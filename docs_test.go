package orgd_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fenced     = regexp.MustCompile("(?ms)^```.*?^```$")
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInASlug = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// Every link between the documents points to a file or a heading that exists.
func TestLinks(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range append(files, docs...) {
		for _, m := range link.FindAllStringSubmatch(document(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			name, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if name != "" {
				target = path.Join(path.Dir(file), name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the target of the link %s does not exist: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !hasHeading(document(t, target), anchor) {
				t.Errorf("%s: %s has no heading #%s", file, target, anchor)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were checked", checked)
	}
}

// document returns a file's text without its code blocks.
func document(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(text), "")
}

// The programs in docs/keep-in-step.md are the files that the tests run.
func TestExamplesAreThoseInTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/keep-in-step.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"ts": "docs/examples/consumer.mts", "go": "docs/examples/consumer/main.go"} {
		program, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "\n```"+language+"\n"+string(program)+"```\n") {
			t.Errorf("docs/keep-in-step.md does not contain the current text of %s", file)
		}
	}
}

// hasHeading reports whether the text has a heading for which GitHub makes this anchor.
func hasHeading(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		slug := notInASlug.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// Every file and directory that the README's table "Where things live" names exists.
func TestWhereThingsLive(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(document(t, "README.md"), "## Where things live")
	if !found {
		t.Fatal("README.md has no section \"Where things live\"")
	}
	checked := 0
	for row := range strings.Lines(table) {
		columns := strings.Split(row, "|")
		if len(columns) != 4 {
			continue
		}
		dir := ""
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(columns[2], -1) {
			name := m[1]
			if strings.Contains(name, "/") {
				dir = path.Dir(name)
			} else {
				name = path.Join(dir, name) // a bare name is in the directory of the previous name
			}
			checked++
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%q names a file that does not exist: %v", strings.TrimSpace(columns[1]), err)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d names were checked", checked)
	}
}

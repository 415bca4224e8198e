package localpg

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// template is the directory of a server that was stopped, made once: to copy it
// takes a fraction of the time that initdb takes.
var template struct {
	once   sync.Once
	parent string
	err    error
}

// CheapOptions are for servers that nobody will miss.
func CheapOptions(dir string) Options {
	return Options{Dir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "16MB"}}
}

// CopyTemplate makes dir, with a cluster in it.
func CopyTemplate(t *testing.T, dir string) {
	t.Helper()
	template.once.Do(makeTemplate)
	if template.err != nil {
		t.Fatal(template.err)
	}
	cp := exec.Command("cp", "-a", filepath.Join(template.parent, "pg"), dir)
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cp, err, out)
	}
}

func makeTemplate() {
	if template.parent, template.err = os.MkdirTemp("", "localpg-template-"); template.err != nil {
		return
	}
	if template.err = os.Chmod(template.parent, 0o711); template.err != nil {
		return
	}
	dir := filepath.Join(template.parent, "pg")
	s, err := Start(context.Background(), CheapOptions(dir))
	if err != nil {
		template.err = err
		return
	}
	template.err = errors.Join(s.Stop(), os.Remove(filepath.Join(dir, portFile)))
}

// RemoveTemplate comes after all tests.
func RemoveTemplate() error {
	if template.parent == "" {
		return nil
	}
	return os.RemoveAll(template.parent)
}

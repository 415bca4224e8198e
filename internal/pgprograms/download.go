package pgprograms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orgd/internal/progress"
)

const defaultRegistry = "https://registry.npmjs.org/"

func registryFromEnvironment() string {
	for _, name := range []string{"npm_config_registry", "NPM_CONFIG_REGISTRY"} {
		if registry := os.Getenv(name); registry != "" {
			return registry
		}
	}
	return defaultRegistry
}

// reachable returns an error within 1.5 s if neither the registry nor a proxy can be
// reached. npm itself would try for minutes.
func (c cache) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	addrs := c.addrs(ctx)
	results := make(chan error, len(addrs))
	for _, addr := range addrs {
		go func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				conn.Close()
			}
			results <- err
		}()
	}
	var errs []error
	for range addrs {
		err := <-results
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// addrs returns the addresses of the registry and of the proxies on the way to it.
func (c cache) addrs(ctx context.Context) []string {
	urls := []string{c.registry}
	if c.npm != "" {
		// npm prints NAME=VALUE, where the value may be null or undefined.
		out, err := exec.CommandContext(ctx, c.npm, "config", "get", "registry", "@embedded-postgres:registry", "https-proxy", "proxy").Output()
		if err == nil {
			urls = nil
		}
		for line := range strings.Lines(string(out)) {
			_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			urls = append(urls, value)
		}
	}
	var addrs []string
	add := func(u *url.URL) {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		if addr := net.JoinHostPort(u.Hostname(), port); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		add(u)
		if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
			add(proxy)
		}
	}
	return addrs
}

// download puts the package's archive into dir. It uses npm if it is installed, because
// npm knows the user's registry, proxy, certificates and credentials.
func (c cache) download(ctx context.Context, r release, dir string) (archive string, err error) {
	if c.npm == "" {
		return c.downloadPlain(ctx, r, dir)
	}
	name := r.name() + "@" + r.version
	cmd := exec.CommandContext(ctx, c.npm, "pack", "--loglevel=error", "--cache="+filepath.Join(dir, "npm"), name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %.1000s", name, err, bytes.TrimSpace(out))
	}
	archives, _ := filepath.Glob(filepath.Join(dir, "*.tgz")) // the pattern is well formed
	if len(archives) != 1 {
		return "", fmt.Errorf("npm pack %s created %d archives instead of one", name, len(archives))
	}
	return archives[0], nil
}

// downloadPlain downloads without npm. It uses the registry in npm_config_registry and
// the proxy in HTTPS_PROXY.
func (c cache) downloadPlain(ctx context.Context, r release, dir string) (archive string, err error) {
	from := fmt.Sprintf("%s/%s/-/%s-%s.tgz", strings.TrimSuffix(c.registry, "/"), r.name(), r.platform, r.version)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s", from, resp.Status)
	}
	archive = filepath.Join(dir, "package.tgz")
	f, err := os.Create(archive)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, resp.Body)
	return archive, errors.Join(err, f.Close())
}

// showProgress shows how much of the archive has arrived in dir, until stop is called: as
// a bar on a terminal, or else as a line every 5 s.
func showProgress(w io.Writer, dir string, total int64) (stop func()) {
	bar := progress.New(w, int(total/1e6), "MB")
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer bar.Done()
		for tick := 1; ; tick++ {
			select {
			case <-done:
				bar.Set(arrived(dir, total))
				return
			case <-time.After(100 * time.Millisecond):
			}
			bar.Set(arrived(dir, total))
			if tick%50 == 0 && !progress.IsTerminal(w) {
				fmt.Fprintf(w, "%d of %d MB\n", arrived(dir, total), total/1e6)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// arrived returns the size of the files in dir, in MB, but at most total: npm also keeps
// a copy of the archive in its cache.
func arrived(dir string, total int64) int {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // npm deleted it during the walk
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return int(min(size, total) / 1e6)
}

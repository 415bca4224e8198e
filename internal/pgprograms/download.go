package pgprograms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
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

// reachable reports soon that the registry or the proxy cannot be reached. npm itself
// tries for minutes.
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

// addrs are the addresses of the registry, and of the proxies on the way to it.
func (c cache) addrs(ctx context.Context) []string {
	urls := []string{c.registry}
	if c.npm != "" {
		// Prints NAME=VALUE, where the value may be null or undefined.
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
		addrs = append(addrs, net.JoinHostPort(u.Hostname(), port))
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

// download puts the package's archive into dir. npm, if it is installed, knows the
// user's registry, proxy, certificates and credentials.
func (c cache) download(ctx context.Context, r release, dir string) (archive string, err error) {
	if c.npm == "" {
		return c.downloadPlain(ctx, r, dir)
	}
	name := r.name() + "@" + r.version
	cmd := exec.CommandContext(ctx, c.npm, "pack", "--loglevel=error", name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %.1000s", name, err, bytes.TrimSpace(out))
	}
	archives, _ := filepath.Glob(filepath.Join(dir, "*.tgz")) // the pattern is well formed
	if len(archives) != 1 {
		return "", fmt.Errorf("npm pack %s made %d files", name, len(archives))
	}
	return archives[0], nil
}

// downloadPlain uses npm_config_registry, and the proxy that HTTPS_PROXY names.
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

// showTime writes a dot each second until stop is called.
func showTime(progress io.Writer) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				fmt.Fprintln(progress)
				return
			case <-time.After(time.Second):
				fmt.Fprint(progress, ".")
			}
		}
	}()
	return func() { close(done); <-ended }
}

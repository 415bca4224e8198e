package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
)

// startLoadBalancer starts a load balancer and returns its URL, or "" if the program is
// not installed. In the arguments, %CONFIG% is the path of the configuration file. In the
// configuration, %PORT% is the port to listen on. In both, %DIR% is a temporary
// directory.
func startLoadBalancer(t *testing.T, program, config string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil { // where Debian installs it
			fmt.Fprintln(os.Stderr, t.Name()+": NOT TESTED:", err)
			return ""
		}
	}
	dir := t.TempDir()
	address := unusedAddress(t)
	_, port, _ := net.SplitHostPort(address)
	config = strings.NewReplacer("%PORT%", port, "%DIR%", dir).Replace(config)
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.NewReplacer("%CONFIG%", file, "%DIR%", dir).Replace(args[i])
	}
	var out safeBuffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", program, out.String())
		}
	})
	await(t, program+" does not listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "http://" + address
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

const nginxConfig = `daemon off; master_process off; pid %DIR%/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %DIR%/body; proxy_temp_path %DIR%/proxy; fastcgi_temp_path %DIR%/fastcgi; uwsgi_temp_path %DIR%/uwsgi; scgi_temp_path %DIR%/scgi;
  server {
    listen 127.0.0.1:%PORT%;
    gzip on; gzip_types application/json; gzip_proxied any;
    location / { proxy_pass %URL%; }
  }
}`

const apacheConfig = `ServerRoot /usr/lib/apache2
PidFile %DIR%/pid
DefaultRuntimeDir %DIR%
ErrorLog /dev/stderr
Listen 127.0.0.1:%PORT%
ServerName localhost
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule filter_module modules/mod_filter.so
LoadModule deflate_module modules/mod_deflate.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
<IfModule mod_unixd.c>
User nobody
Group nogroup
</IfModule>
ProxyPass / %URL%/
SetOutputFilter DEFLATE`

// Compressing proxies change the entity tags of responses. Clients that accept gzip, as
// most do by default, send the changed tag back.
func TestEntityTagsBehindCompressingProxies(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	key := d.Key(t, d.Account(t), apikeys.OrgsRead, apikeys.OrgsWrite, apikeys.MembersWrite)
	haproxyConfig := haproxy(t, strings.TrimPrefix(r.url, "http://"), "default_backend replicas",
		"compression algo gzip\n    compression type application/json\n    default_backend replicas")
	for _, lb := range []struct{ program, config, args, marked string }{
		{"nginx", nginxConfig, "-c %CONFIG% -p %DIR%", `W/"1"`},
		{"haproxy", haproxyConfig, "-f %CONFIG%", `W/"1"`},
		{"apache2", apacheConfig, "-f %CONFIG% -X", `"1-gzip"`},
	} {
		t.Run(lb.program, func(t *testing.T) {
			t.Parallel()
			url := startLoadBalancer(t, lb.program, strings.ReplaceAll(lb.config, "%URL%", r.url), strings.Fields(lb.args)...)
			if url == "" {
				return
			}
			awaitStatus(t, url+"/livez", http.StatusOK)
			c := frontClient{url: url, key: key}
			made := c.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "", 201)
			path := "/v1/orgs/" + regexp.MustCompile(`org_[0-9a-f]{32}`).FindString(made.Header.Get("Location"))
			tag := c.do(t, http.MethodGet, path, "", "", 200).Header.Get("ETag")
			if tag != lb.marked {
				t.Errorf("the proxy changes the tag to %s, want %s", tag, lb.marked)
			}
			c.do(t, http.MethodGet, path, "", "If-None-Match: "+tag, 304)
			next := c.do(t, http.MethodPatch, path, `{"orgName":"Acme 2"}`, "If-Match: "+tag, 200).Header.Get("ETag")
			c.do(t, http.MethodPatch, path, `{"orgName":"Acme 3"}`, "If-Match: "+tag, 412)
			c.do(t, http.MethodPost, path+"/users", `{"userId":"usr_00000000000000000000000000000001"}`, "If-Match: "+tag, 412)
			c.do(t, http.MethodPost, path+"/users", `{"userId":"usr_00000000000000000000000000000001"}`, "If-Match: "+next, 200)
		})
	}
}

type frontClient struct{ url, key string }

// do sends a request and checks the status. Like most clients, Go's transport accepts
// gzip.
func (c frontClient) do(t *testing.T, method, path, body, header string, want int) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	if name, value, ok := strings.Cut(header, ": "); ok {
		request.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("%s %s, %s: %d, want %d: %s, %v", method, path, header, response.StatusCode, want, text, err)
	}
	return response
}

// haproxy returns deploy/haproxy/haproxy.cfg, changed for one replica. replace has pairs
// of an old and a new text.
func haproxy(t *testing.T, replica string, replace ...string) string {
	t.Helper()
	errorFiles, err := filepath.Abs("../../deploy/haproxy/errors")
	if err != nil {
		t.Fatal(err)
	}
	config := string(readFile(t, "../../deploy/haproxy/haproxy.cfg"))
	replace = append(replace,
		"bind :8080", "bind 127.0.0.1:%PORT%",
		" resolvers docker init-addr none", "",
		"server-template replica 20 server:8080", "server replica "+replica,
		" errors/", " "+errorFiles+"/")
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(config, replace[i]) {
			t.Fatalf("haproxy.cfg has no %q", replace[i])
		}
		config = strings.ReplaceAll(config, replace[i], replace[i+1])
	}
	return config
}

// HAProxy's own errors are problem documents. 5xx errors also have a request id.
func TestErrorsOfHAProxy(t *testing.T) {
	t.Parallel()
	replica := newBrokenReplica(t)
	url := startLoadBalancer(t, "haproxy", haproxy(t, replica.address, "timeout server 20s", "timeout server 1s", "timeout http-request 10s", "timeout http-request 1s"),
		"-f", "%CONFIG%")
	if url == "" {
		return
	}
	address := strings.TrimPrefix(url, "http://")
	awaitStatus(t, url+"/echo", http.StatusOK)
	for _, c := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"closed", "GET /close HTTP/1.1\r\nHost: x\r\n\r\n", 502, "unavailable"},
		{"garbage", "GET /garbage HTTP/1.1\r\nHost: x\r\n\r\n", 502, "unavailable"},
		{"huge header", "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n", 502, "unavailable"},
		{"silent", "GET /silent HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", 504, "unavailable"},
		{"malformed request id", "GET /close HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b\r\n\r\n", 502, "unavailable"},
		{"key as request id", "GET /close HTTP/1.1\r\nHost: x\r\nX-Request-Id: orgd_x\r\n\r\n", 502, "unavailable"},
		{"operator's request id", "GET /close HTTP/1.1\r\nHost: x\r\nX-Request-Id: operator-1\r\n\r\n", 502, "unavailable"},
		{"malformed request", "GET HTTP\r\n\r\n", 400, "invalid_request"},
		{"headers too large", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", 20000) + "\r\n\r\n", 400, "invalid_request"},
		{"slow headers", "GET / HTTP/1.1\r\nHost: x\r\n", 408, "request_timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			response, body := rawCall(t, address, c.request)
			if c.status < 500 && response.StatusCode == c.status && strings.HasPrefix(body, "<html>") {
				fmt.Fprintf(os.Stderr, "%s: NOT TESTED: this HAProxy sends a built-in page for %d\n", t.Name(), c.status)
				return
			}
			checkFrontProblem(t, response, body, c.status, c.code)
			id := response.Header.Get("X-Request-Id")
			if mine := strings.Contains(c.request, "mine"); c.status >= 500 && (id == "" || mine != (id == "mine") || strings.Contains(id, "orgd_") || strings.HasPrefix(id, "operator-")) {
				t.Errorf("request id %q", id)
			}
		})
	}
	echoed, _ := rawCall(t, address, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n")
	if got := echoed.Header.Values("X-Echoed"); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("the replica got the request ids %q", got)
	}
	replica.away.Store(true)
	awaitStatus(t, url+"/echo", http.StatusServiceUnavailable)
	response, body := rawCall(t, address, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	checkFrontProblem(t, response, body, 503, "unavailable")
}

// The error files of HAProxy are complete responses.
func TestErrorFilesOfHAProxy(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{400: "invalid_request", 408: "request_timeout", 500: "internal", 501: "not_implemented"} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			file := readFile(t, fmt.Sprintf("../../deploy/haproxy/errors/%d.http", status))
			reader := bufio.NewReader(strings.NewReader(string(file)))
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if rest, _ := io.ReadAll(reader); err != nil || len(rest) > 0 {
				t.Errorf("%d: %q follows the response, %v", status, rest, err)
			}
			checkFrontProblem(t, response, string(body), status, code)
		})
	}
}

func checkFrontProblem(t *testing.T, response *http.Response, body string, status int, code string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code, Message string
		RequestID                          *string
		Status                             int
	}
	decode(t, body, &p)
	if response.StatusCode != status || p.Status != status || p.Code != code || p.Type != "/problems/"+code || p.Title == "" || p.Detail == "" || p.Message != p.Detail {
		t.Errorf("%d %s, want %d %s", response.StatusCode, body, status, code)
	}
	if id := response.Header.Get("X-Request-Id"); (p.RequestID != nil || id != "") && (p.RequestID == nil || *p.RequestID != id) {
		t.Errorf("the requestId in %s differs from the header %q", body, id)
	}
	h := response.Header
	if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d: headers %v", status, h)
	}
	if retries := h.Get("Retry-After"); (code == "unavailable") != regexp.MustCompile(`^[1-5]$`).MatchString(retries) {
		t.Errorf("%d: Retry-After %q", status, retries)
	}
	if !strings.Contains(string(readFile(t, "../../docs/api.md")), fmt.Sprintf("\n| [`%s`](#%s) |", code, code)) {
		t.Errorf("%s is not in the list of codes", code)
	}
}

func rawCall(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// brokenReplica is a server in which the path of a request selects how it fails. Its
// readiness probe succeeds until away is set.
type brokenReplica struct {
	address string
	away    atomic.Bool
}

func newBrokenReplica(t *testing.T) *brokenReplica {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	r := &brokenReplica{address: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // the test is over
			}
			go r.answer(t, conn)
		}
	}()
	return r
}

func (r *brokenReplica) answer(t *testing.T, conn net.Conn) {
	defer conn.Close()
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return // the client sent no complete request
	}
	text := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nX-Echoed: " + request.Header.Get("X-Request-Id") + "\r\n\r\n"
	switch request.URL.Path {
	case "/readyz":
		if r.away.Load() {
			text = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		}
	case "/close":
		text = ""
	case "/garbage":
		text = "what?\r\n\r\n"
	case "/huge":
		text = "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20000) + "\r\nContent-Length: 0\r\n\r\n"
	case "/silent":
		<-t.Context().Done()
	}
	_, _ = io.WriteString(conn, text) // HAProxy may have closed the connection
}

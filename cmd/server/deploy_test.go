package main

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// knownVariables returns the environment variables of all commands, each with its flag.
// If several commands have the variable, the flag is that of `server serve`.
func knownVariables(t *testing.T) map[string]*kong.Flag {
	t.Helper()
	known := map[string]*kong.Flag{}
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, flag := range n.Flags {
			for _, name := range flag.Envs {
				if _, seen := known[name]; !seen || n.Name == "serve" {
					known[name] = flag
				}
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(kong.Must(&commandLine{}, kong.Name("server")).Model.Node)
	return known
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The deployment files set only variables that orgd reads.
func TestDeployedVariables(t *testing.T) {
	t.Parallel()
	known := knownVariables(t)
	known["GOMEMLIMIT"] = nil // read by the Go runtime
	known["PGPASSWORD"] = nil // read by pgx
	var set []string
	for _, m := range kubernetes(t) {
		for _, c := range m.Spec.Template.Spec.Containers {
			for _, e := range c.Env {
				set = append(set, e.Name)
			}
		}
	}
	for _, file := range []string{"base", "overlays/production"} {
		for _, literal := range configured(t, file) {
			name, _, _ := strings.Cut(literal, "=")
			set = append(set, name)
		}
	}
	var compose struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err := yaml.Unmarshal(readFile(t, "../../docker-compose.yml"), &compose); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"migrate", "server"} {
		set = append(set, slices.Collect(maps.Keys(compose.Services[service].Environment))...)
	}
	for _, m := range regexp.MustCompile(`(?m)^Environment=(\w+)=`).FindAllSubmatch(readFile(t, "../../deploy/systemd/orgd.service"), -1) {
		set = append(set, string(m[1]))
	}
	for _, name := range set {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is set, but nothing reads it", name)
		}
	}
	if len(set) < 9 {
		t.Errorf("only %v were checked", set)
	}
}

// `server serve` accepts the configuration of the production overlay, and probes can
// reach the admin address from outside the pod.
func TestDeployedConfiguration(t *testing.T) {
	t.Parallel()
	known := knownVariables(t)
	args := []string{"serve", "--database-url=postgres://u@h/d"}
	for _, literal := range slices.Concat(configured(t, "base"), configured(t, "overlays/production")) {
		name, value, _ := strings.Cut(literal, "=")
		if flag := known[name]; flag != nil {
			args = append(args, "--"+flag.Name+"="+value)
		}
	}
	var cli commandLine
	if _, err := kong.Must(&cli, kong.Name("server"), kong.Exit(func(int) {})).Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if host, _, err := net.SplitHostPort(cli.Serve.AdminAddr); err != nil || host != "" {
		t.Errorf("the admin address is %q, which the kubelet cannot reach: %v", cli.Serve.AdminAddr, err)
	}
	if cli.Serve.PublicURL == "" || len(cli.Serve.TrustedProxies) == 0 {
		t.Errorf("the overlay sets ORGD_PUBLIC_URL to %q and ORGD_TRUSTED_PROXIES to %v", cli.Serve.PublicURL, cli.Serve.TrustedProxies)
	}
}

// configured returns the literals of the config map that the servers read, from the
// kustomization in dir.
func configured(t *testing.T, dir string) (literals []string) {
	t.Helper()
	var object any
	if err := yaml.Unmarshal(readFile(t, "../../deploy/kubernetes/"+dir+"/kustomization.yaml"), &object); err != nil {
		t.Fatal(err)
	}
	var k struct {
		ConfigMapGenerator []struct {
			Name     string
			Literals []string
		}
	}
	into(t, object, &k)
	for _, g := range k.ConfigMapGenerator {
		if g.Name != "orgd" {
			t.Errorf("%s: no server reads the config map %s", dir, g.Name)
		}
		literals = append(literals, g.Literals...)
	}
	return literals
}

// The deployment files use the ports that orgd listens on, and every port name is defined.
func TestDeployedPorts(t *testing.T) {
	t.Parallel()
	var adminAddr string
	for _, literal := range configured(t, "base") {
		if addr, ok := strings.CutPrefix(literal, "ORGD_ADMIN_ADDR="); ok {
			adminAddr = addr
		}
	}
	public, admin := portOf(t, knownVariables(t)["ORGD_ADDR"].Default), portOf(t, adminAddr)
	objects := kubernetes(t)
	deployment := find(t, objects, "Deployment", "orgd")
	named := map[string]string{}
	for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
		named[p.Name] = strconv.Itoa(p.ContainerPort)
	}
	if named["http"] != public || named["admin"] != admin || len(named) != 2 {
		t.Errorf("container ports %v, want http %s and admin %s", named, public, admin)
	}
	for _, m := range objects {
		var used []string
		for _, p := range m.Spec.Ports {
			used = append(used, p.TargetPort)
		}
		for _, from := range m.Spec.Ingress {
			for _, p := range from.Ports {
				used = append(used, p.Port)
			}
		}
		for _, e := range m.Spec.Endpoints {
			used = append(used, e.Port)
		}
		for _, name := range used {
			if named[name] == "" {
				t.Errorf("%s %s: no port is named %s", m.Kind, m.Metadata.Name, name)
			}
		}
	}
	for file, want := range map[string]string{
		"../../deploy/haproxy/haproxy.cfg":       "server:" + public,
		"../../deploy/prometheus/prometheus.yml": "port: " + admin,
		"../../docker-compose.yml":               `ORGD_ADMIN_ADDR: ":` + admin + `"`,
		"../../Dockerfile":                       "EXPOSE " + public,
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if !bytes.Contains(readFile(t, file), []byte(want)) {
				t.Errorf("%s does not contain %q", file, want)
			}
		})
	}
}

// Every supervisor gives the server enough time to stop gracefully.
func TestDeployedGrace(t *testing.T) {
	t.Parallel()
	delay, err := time.ParseDuration(knownVariables(t)["ORGD_DRAIN_DELAY"].Default)
	if err != nil {
		t.Fatal(err)
	}
	needed := delay + orgdhttp.DrainLimit + usageLimit + lastTracesLimit + lastLinesLimit
	p := find(t, kubernetes(t), "Deployment", "orgd").Spec.Template.Spec
	before := time.Duration(p.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if grace := time.Duration(p.TerminationGracePeriodSeconds) * time.Second; before == 0 || grace < before+needed {
		t.Errorf("Kubernetes gives the server %s after preStop, want at least %s", grace-before, needed)
	}
	for file, pattern := range map[string]string{
		"../../docker-compose.yml": `stop_grace_period: (\d+)s`,

		"../../deploy/systemd/orgd.service": `(?m)^TimeoutStopSec=(\d+)s$`,
		"../../scripts/rollout.sh":          `docker stop -t (\d+) `,
		"../../scripts/container.sh":        `docker compose down .*--timeout (\d+)`,
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			found := regexp.MustCompile(pattern).FindSubmatch(readFile(t, file))
			if found == nil {
				t.Fatalf("%s has no %s", file, pattern)
			}
			if grace, err := time.ParseDuration(string(found[1]) + "s"); err != nil || grace < needed {
				t.Errorf("%s gives the server %s, want at least %s, %v", file, grace, needed, err)
			}
		})
	}
}

// Each probe requests a path that the server serves on the probed port.
func TestDeployedProbes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	objects := kubernetes(t)
	c := find(t, objects, "Deployment", "orgd").Spec.Template.Spec.Containers[0]
	for _, probe := range []struct {
		asks struct{ Path, Port string }
		want string
	}{
		{c.StartupProbe.HTTPGet, "/livez"},
		{c.LivenessProbe.HTTPGet, "/livez"}, // with /readyz, a database outage would restart all replicas
		{c.ReadinessProbe.HTTPGet, "/readyz"},
	} {
		t.Run(probe.want, func(t *testing.T) {
			if probe.asks.Port != "admin" || probe.asks.Path != probe.want {
				t.Errorf("the probe requests %s on the port %s, want %s on admin", probe.asks.Path, probe.asks.Port, probe.want)
			}
			if status, _, _ := get(t, r.adminURL+probe.want, ""); status != http.StatusOK {
				t.Errorf("%s: %d", probe.want, status)
			}
		})
	}
	for _, endpoint := range find(t, objects, "ServiceMonitor", "orgd").Spec.Endpoints {
		if status, _, _ := get(t, r.adminURL+endpoint.Path, ""); status != http.StatusOK {
			t.Errorf("%s: %d", endpoint.Path, status)
		}
	}
	for file, path := range map[string]string{"../../deploy/haproxy/haproxy.cfg": `uri (/\S+)`, "../../docker-compose.yml": `GET (/\S+) HTTP`} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			found := regexp.MustCompile(path).FindSubmatch(readFile(t, file))
			if found == nil {
				t.Fatalf("%s has no %s", file, path)
			}
			if status, _, _ := get(t, r.url+string(found[1]), ""); status != http.StatusOK {
				t.Errorf("%s: %s: %d", file, found[1], status)
			}
		})
	}
}

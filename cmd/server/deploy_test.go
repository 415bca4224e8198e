package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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

	"orgd/internal/db/dbtest"
	orgdhttp "orgd/internal/http"
)

// manifest is what the test asks of a Kubernetes object, of whatever kind.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		Selector    json.RawMessage
		PodSelector labelSelector
		Ports       []struct{ TargetPort string }
		Ingress     []struct {
			From  []struct{ NamespaceSelector labelSelector }
			Ports []struct{ Port string }
		}
		Endpoints      []struct{ Port, Path string }
		Strategy       struct{ RollingUpdate struct{ MaxUnavailable *int } }
		MinReplicas    int
		ScaleTargetRef struct{ Kind, Name string }
		Template       struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
	}
}

type labelSelector struct{ MatchLabels map[string]string }

type pod struct {
	ServiceAccountName            string
	TopologySpreadConstraints     []struct{ LabelSelector labelSelector }
	TerminationGracePeriodSeconds int
	AutomountServiceAccountToken  *bool
	SecurityContext               struct {
		RunAsNonRoot   bool
		RunAsUser      int
		SeccompProfile struct{ Type string }
	}
	Containers []container
}

type container struct {
	Args  []string
	Ports []struct {
		Name          string
		ContainerPort int
	}
	Env []struct {
		Name, Value string
		ValueFrom   struct{ SecretKeyRef struct{ Name, Key string } }
	}
	EnvFrom                                     []struct{ ConfigMapRef struct{ Name string } }
	StartupProbe, LivenessProbe, ReadinessProbe struct{ HTTPGet struct{ Path, Port string } }
	Lifecycle                                   struct {
		PreStop struct{ Sleep struct{ Seconds int } }
	}
	Resources       struct{ Limits struct{ Memory string } }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
}

func (m manifest) selector(t *testing.T) map[string]string {
	t.Helper()
	var labels labelSelector
	if err := json.Unmarshal(m.Spec.Selector, &labels); err == nil && labels.MatchLabels != nil {
		return labels.MatchLabels
	}
	var plain map[string]string
	if err := json.Unmarshal(m.Spec.Selector, &plain); err != nil {
		t.Fatalf("%s %s: %v", m.Kind, m.Metadata.Name, err)
	}
	return plain
}

// kubernetes returns the objects of deploy/kubernetes, with the label that
// kustomize gives to all.
func kubernetes(t *testing.T) (objects []manifest) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/kubernetes/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		decoder := yaml.NewDecoder(bytes.NewReader(readFile(t, file)))
		for {
			var object any
			if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var m manifest
			into(t, object, &m)
			for _, labels := range []*map[string]string{&m.Metadata.Labels, &m.Spec.Template.Metadata.Labels} {
				if *labels == nil {
					*labels = map[string]string{}
				}
				(*labels)["app.kubernetes.io/name"] = "orgd"
			}
			objects = append(objects, m)
		}
	}
	return objects
}

// into reads what YAML has into a struct, by the names that JSON would have.
func into(t *testing.T, object, target any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, target); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func find(t *testing.T, objects []manifest, kind, name string) manifest {
	t.Helper()
	i := slices.IndexFunc(objects, func(m manifest) bool { return m.Kind == kind && m.Metadata.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return objects[i]
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// knownVariables are the environment variables of all commands, with the flag of
// serve.
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

// The variables that files for operators set are those that orgd reads.
func TestDeployedVariables(t *testing.T) {
	t.Parallel()
	known := knownVariables(t)
	known["GOMEMLIMIT"] = nil // the Go runtime's
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
	for _, name := range set {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is set, and nothing reads it", name)
		}
	}
	if len(set) < 9 {
		t.Errorf("only %v were checked", set)
	}
}

// The values that the production overlay configures are ones that serve takes, and
// probes reach the admin address from outside of the pod.
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
		t.Errorf("the admin address is %q, which the kubelet does not reach: %v", cli.Serve.AdminAddr, err)
	}
	if cli.Serve.PublicURL == "" || len(cli.Serve.TrustedProxies) == 0 {
		t.Errorf("the overlay sets ORGD_PUBLIC_URL to %q and ORGD_TRUSTED_PROXIES to %v", cli.Serve.PublicURL, cli.Serve.TrustedProxies)
	}
}

// configured are the literals of a kustomization's config map, the one that the
// servers read.
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
			t.Errorf("%s: nobody reads the config map %s", dir, g.Name)
		}
		literals = append(literals, g.Literals...)
	}
	return literals
}

// The ports that are named in files for operators are those that orgd listens on,
// and each name leads to one.
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
				t.Errorf("%s %s: no port is called %s", m.Kind, m.Metadata.Name, name)
			}
		}
	}
	for file, want := range map[string]string{
		"../../deploy/haproxy/haproxy.cfg":       "server:" + public,
		"../../deploy/prometheus/prometheus.yml": "port: " + admin,
		"../../docker-compose.yml":               `ORGD_ADMIN_ADDR: ":` + admin + `"`,
		"../../Dockerfile":                       "EXPOSE " + public,
	} {
		if !bytes.Contains(readFile(t, file), []byte(want)) {
			t.Errorf("%s has not %q", file, want)
		}
	}
}

// What selects pods selects those of the servers, or of the migration too.
func TestDeployedSelectors(t *testing.T) {
	t.Parallel()
	objects := kubernetes(t)
	labels := find(t, objects, "Deployment", "orgd").Spec.Template.Metadata.Labels
	matches := func(selector, labels map[string]string) bool {
		for name, value := range selector {
			if labels[name] != value {
				return false
			}
		}
		return len(selector) > 0
	}
	for _, c := range []struct {
		object   manifest
		selector map[string]string
		labels   map[string]string
	}{
		{find(t, objects, "Deployment", "orgd"), find(t, objects, "Deployment", "orgd").selector(t), labels},
		{find(t, objects, "Service", "orgd"), find(t, objects, "Service", "orgd").selector(t), labels},
		{find(t, objects, "Service", "orgd-admin"), find(t, objects, "Service", "orgd-admin").selector(t), labels},
		{find(t, objects, "PodDisruptionBudget", "orgd"), find(t, objects, "PodDisruptionBudget", "orgd").selector(t), labels},
		{find(t, objects, "NetworkPolicy", "orgd"), find(t, objects, "NetworkPolicy", "orgd").Spec.PodSelector.MatchLabels, labels},
		{find(t, objects, "NetworkPolicy", "orgd"), find(t, objects, "NetworkPolicy", "orgd").Spec.PodSelector.MatchLabels, find(t, objects, "Job", "orgd-migrate").Spec.Template.Metadata.Labels},
		{find(t, objects, "ServiceMonitor", "orgd"), find(t, objects, "ServiceMonitor", "orgd").selector(t), find(t, objects, "Service", "orgd-admin").Metadata.Labels},
	} {
		if !matches(c.selector, c.labels) {
			t.Errorf("%s %s selects %v, which %v is not", c.object.Kind, c.object.Metadata.Name, c.selector, c.labels)
		}
	}
	spread := find(t, objects, "Deployment", "orgd").Spec.Template.Spec.TopologySpreadConstraints
	for _, s := range spread {
		if !matches(s.LabelSelector.MatchLabels, labels) {
			t.Errorf("the servers are spread among %v, which %v is not", s.LabelSelector.MatchLabels, labels)
		}
	}
	if len(spread) == 0 {
		t.Error("the servers are not spread")
	}
}

// What a pod names is there: its account, its config map, and the keys of the Secret
// that the manual tells to make.
func TestDeployedReferences(t *testing.T) {
	t.Parallel()
	objects, manual := kubernetes(t), string(readFile(t, "../../docs/operating.md"))
	secrets, configs := 0, 0
	for _, m := range objects {
		p := m.Spec.Template.Spec
		if len(p.Containers) > 0 {
			find(t, objects, "ServiceAccount", p.ServiceAccountName)
		}
		for _, c := range p.Containers {
			for _, from := range c.EnvFrom {
				configs++
				if from.ConfigMapRef.Name != "orgd" {
					t.Errorf("%s: there is no config map %s", m.Metadata.Name, from.ConfigMapRef.Name)
				}
			}
			for _, e := range c.Env {
				ref := e.ValueFrom.SecretKeyRef
				if ref.Name == "" {
					continue
				}
				secrets++
				command := "create secret generic " + ref.Name + " .*--from-literal=" + ref.Key + "="
				if !regexp.MustCompile(command).MatchString(manual) {
					t.Errorf("%s: docs/operating.md makes no %s in a Secret %s", m.Metadata.Name, ref.Key, ref.Name)
				}
			}
		}
	}
	if secrets != 2 || configs != 1 {
		t.Errorf("%d keys of Secrets and %d config maps were checked, want 2 and 1", secrets, configs)
	}
	scaled := find(t, objects, "HorizontalPodAutoscaler", "orgd").Spec
	find(t, objects, scaled.ScaleTargetRef.Kind, scaled.ScaleTargetRef.Name)
}

// A rollout takes no replica away before another is ready, and there is always a
// second.
func TestDeployedRollout(t *testing.T) {
	t.Parallel()
	objects := kubernetes(t)
	if most := find(t, objects, "Deployment", "orgd").Spec.Strategy.RollingUpdate.MaxUnavailable; most == nil || *most != 0 {
		t.Error("a rollout may take a replica away before another is ready")
	}
	if least := find(t, objects, "HorizontalPodAutoscaler", "orgd").Spec.MinReplicas; least < 2 {
		t.Errorf("%d replicas at least, want 2", least)
	}
}

// The admin port asks for no key, so only whoever watches reaches it.
func TestDeployedAdminIsPrivate(t *testing.T) {
	t.Parallel()
	let := 0
	for _, rule := range find(t, kubernetes(t), "NetworkPolicy", "orgd").Spec.Ingress {
		// A rule without ports lets all of them pass.
		if len(rule.Ports) > 0 && rule.Ports[0].Port == "http" && len(rule.Ports) == 1 {
			continue
		}
		let++
		if len(rule.From) != 1 || rule.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
			t.Errorf("the admin port is open to %+v", rule.From)
		}
	}
	if let != 1 {
		t.Errorf("%d rules let somebody to the admin port, want 1", let)
	}
}

// Each container runs a command that there is, as nobody, and can write nothing.
func TestDeployedContainers(t *testing.T) {
	t.Parallel()
	containers := 0
	for _, m := range kubernetes(t) {
		p := m.Spec.Template.Spec
		for _, c := range p.Containers {
			containers++
			parser := kong.Must(&commandLine{}, kong.Name("server"), kong.Exit(func(int) {}))
			if _, err := parser.Parse(append(slices.Clone(c.Args), "--database-url=postgres://u@h/d")); err != nil {
				t.Errorf("%s: %v: %v", m.Metadata.Name, c.Args, err)
			}
			s := c.SecurityContext
			if !s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("%s: %+v", m.Metadata.Name, s)
			}
			for _, e := range c.Env {
				if e.Name == "GOMEMLIMIT" && mebibytes(t, e.Value) >= mebibytes(t, c.Resources.Limits.Memory) {
					t.Errorf("%s: GOMEMLIMIT %s is no less than the limit %s", m.Metadata.Name, e.Value, c.Resources.Limits.Memory)
				}
			}
		}
		if len(p.Containers) > 0 && (!p.SecurityContext.RunAsNonRoot || p.SecurityContext.RunAsUser != 65532 ||
			p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" || p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken) {
			t.Errorf("%s: %+v", m.Metadata.Name, p.SecurityContext)
		}
	}
	if containers != 2 {
		t.Errorf("%d containers were checked, want 2", containers)
	}
}

func mebibytes(t *testing.T, size string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSuffix(size, "B"), "Mi"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whoever stops a server gives it the time that it may take.
func TestDeployedGrace(t *testing.T) {
	t.Parallel()
	delay, err := time.ParseDuration(knownVariables(t)["ORGD_DRAIN_DELAY"].Default)
	if err != nil {
		t.Fatal(err)
	}
	needed := delay + orgdhttp.DrainLimit + lastTracesLimit
	p := find(t, kubernetes(t), "Deployment", "orgd").Spec.Template.Spec
	before := time.Duration(p.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if grace := time.Duration(p.TerminationGracePeriodSeconds) * time.Second; before == 0 || grace < before+needed {
		t.Errorf("Kubernetes gives %s after preStop, want %s", grace-before, needed)
	}
	for file, pattern := range map[string]string{
		"../../docker-compose.yml":   `stop_grace_period: (\d+)s`,
		"../../scripts/rollout.sh":   `docker stop -t (\d+) `,
		"../../scripts/container.sh": `docker compose down .*--timeout (\d+)`,
	} {
		found := regexp.MustCompile(pattern).FindSubmatch(readFile(t, file))
		if found == nil {
			t.Fatalf("%s has no %s", file, pattern)
		}
		if grace, err := time.ParseDuration(string(found[1]) + "s"); err != nil || grace < needed {
			t.Errorf("%s gives %s, want %s, %v", file, grace, needed, err)
		}
	}
}

// The probes ask for what the server has on that port.
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
		{c.LivenessProbe.HTTPGet, "/livez"}, // /readyz would restart all replicas when the database is away
		{c.ReadinessProbe.HTTPGet, "/readyz"},
	} {
		if probe.asks.Port != "admin" || probe.asks.Path != probe.want {
			t.Errorf("%s is asked for at %s, want %s at admin", probe.asks.Path, probe.asks.Port, probe.want)
		}
		if status, _, _ := get(t, r.adminURL+probe.want, ""); status != http.StatusOK {
			t.Errorf("%s: %d", probe.want, status)
		}
	}
	for _, endpoint := range find(t, objects, "ServiceMonitor", "orgd").Spec.Endpoints {
		if status, _, _ := get(t, r.adminURL+endpoint.Path, ""); status != http.StatusOK {
			t.Errorf("%s: %d", endpoint.Path, status)
		}
	}
	for file, path := range map[string]string{"../../deploy/haproxy/haproxy.cfg": `uri (/\S+)`, "../../docker-compose.yml": `GET (/\S+) HTTP`} {
		found := regexp.MustCompile(path).FindSubmatch(readFile(t, file))
		if found == nil {
			t.Fatalf("%s has no %s", file, path)
		}
		if status, _, _ := get(t, r.url+string(found[1]), ""); status != http.StatusOK {
			t.Errorf("%s: %s: %d", file, found[1], status)
		}
	}
}

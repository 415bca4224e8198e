package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Every selector selects the server pods, with two exceptions: the network policy also
// selects the migration pods, and the service monitor selects the admin service.
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
		t.Run(c.object.Kind+" "+c.object.Metadata.Name, func(t *testing.T) {
			t.Parallel()
			if !matches(c.selector, c.labels) {
				t.Errorf("%s %s selects %v, which the labels %v do not match", c.object.Kind, c.object.Metadata.Name, c.selector, c.labels)
			}
		})
	}
	spread := find(t, objects, "Deployment", "orgd").Spec.Template.Spec.TopologySpreadConstraints
	for _, s := range spread {
		if !matches(s.LabelSelector.MatchLabels, labels) {
			t.Errorf("the spread constraint selects %v, which the labels %v do not match", s.LabelSelector.MatchLabels, labels)
		}
	}
	if len(spread) == 0 {
		t.Error("the deployment has no spread constraint")
	}
}

// Everything that a pod refers to exists: its service account, its image, its config map,
// and the Secret keys that docs/operating.md creates.
func TestDeployedReferences(t *testing.T) {
	t.Parallel()
	objects, manual := kubernetes(t), string(readFile(t, "../../docs/operating.md"))
	images := replaced(t)
	secrets, configs := 0, 0
	for _, m := range objects {
		p := m.Spec.Template.Spec
		if len(p.Containers) > 0 {
			find(t, objects, "ServiceAccount", p.ServiceAccountName)
		}
		for _, c := range p.Containers {
			if !slices.Contains(images, c.Image) {
				t.Errorf("%s: the overlay replaces the images %v, but not %s", m.Metadata.Name, images, c.Image)
			}
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
					t.Errorf("%s: docs/operating.md does not create the key %s in the Secret %s", m.Metadata.Name, ref.Key, ref.Name)
				}
			}
		}
	}
	if secrets != 2 || configs != 1 {
		t.Errorf("%d keys of Secrets and %d config maps were checked, want 2 and 1", secrets, configs)
	}
}

// replaced returns the images that the production overlay replaces.
func replaced(t *testing.T) (names []string) {
	t.Helper()
	var object any
	if err := yaml.Unmarshal(readFile(t, "../../deploy/kubernetes/overlays/production/kustomization.yaml"), &object); err != nil {
		t.Fatal(err)
	}
	var k struct{ Images []struct{ Name string } }
	into(t, object, &k)
	for _, image := range k.Images {
		names = append(names, image.Name)
	}
	return names
}

// The autoscaler computes utilization as a percentage of the resource requests, so it cannot
// scale a Deployment in which a container has no requests.
func TestDeployedAutoscaler(t *testing.T) {
	t.Parallel()
	objects := kubernetes(t)
	scaler := find(t, objects, "HorizontalPodAutoscaler", "orgd").Spec
	scaled := find(t, objects, scaler.ScaleTargetRef.Kind, scaler.ScaleTargetRef.Name)
	checked := 0
	for _, metric := range scaler.Metrics {
		for _, c := range scaled.Spec.Template.Spec.Containers {
			checked++
			if c.Resources.Requests[metric.Resource.Name] == "" {
				t.Errorf("%s is scaled by %s, but a container does not request it", scaled.Metadata.Name, metric.Resource.Name)
			}
		}
	}
	if checked == 0 {
		t.Error("no metric of a container was checked")
	}
}

// A rollout removes a replica only when another one is ready, and at least two replicas
// run.
func TestDeployedRollout(t *testing.T) {
	t.Parallel()
	objects := kubernetes(t)
	if most := find(t, objects, "Deployment", "orgd").Spec.Strategy.RollingUpdate.MaxUnavailable; most == nil || *most != 0 {
		t.Error("a rollout may remove a replica before another one is ready")
	}
	if least := find(t, objects, "HorizontalPodAutoscaler", "orgd").Spec.MinReplicas; least < 2 {
		t.Errorf("the autoscaler keeps at least %d replicas, want 2", least)
	}
}

// The admin port has no authentication, so only the monitoring namespace may reach it.
func TestDeployedAdminIsPrivate(t *testing.T) {
	t.Parallel()
	let := 0
	for _, rule := range find(t, kubernetes(t), "NetworkPolicy", "orgd").Spec.Ingress {
		// A rule without ports allows all ports.
		if len(rule.Ports) > 0 && rule.Ports[0].Port == "http" && len(rule.Ports) == 1 {
			continue
		}
		let++
		if len(rule.From) != 1 || rule.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
			t.Errorf("the admin port is open to %+v", rule.From)
		}
	}
	if let != 1 {
		t.Errorf("%d rules open the admin port, want 1", let)
	}
}

// Each container runs an existing command, as an unprivileged user and with a read-only
// file system.
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
					t.Errorf("%s: GOMEMLIMIT %s is not below the memory limit %s", m.Metadata.Name, e.Value, c.Resources.Limits.Memory)
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

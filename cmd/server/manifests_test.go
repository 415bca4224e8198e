package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is the part of a Kubernetes object that the tests read.
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
		Metrics        []struct{ Resource struct{ Name string } }
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
	Image string
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
	Resources struct {
		Requests map[string]string
		Limits   struct{ Memory string }
	}
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

// kubernetes returns the objects of deploy/kubernetes. Each has the label that kustomize
// adds to all objects.
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

// into decodes YAML into a struct with JSON field names.
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

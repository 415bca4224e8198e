package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// otherVariables are read by clients (from dev.env) or by docker-compose.yml, not by this
// program.
var otherVariables = []string{
	"ORGD_URL", "ORGD_API_KEY",
	"ORGD_GRAFANA_PASSWORD", "ORGD_GRAFANA_PORT", "ORGD_IMAGE", "ORGD_PORT", "ORGD_POSTGRES_PASSWORD", "ORGD_POSTGRES_PORT", "ORGD_PROMETHEUS_PORT",
}

// unknownVariable is an environment variable whose name begins with ORGD_ but that
// nothing reads. The name is probably misspelled.
type unknownVariable struct{ name, nearest string }

func (v unknownVariable) String() string {
	return fmt.Sprintf("the environment variable %s is unknown; did you mean %s?", v.name, v.nearest)
}

// unknownVariables returns the unknown variables among NAME=value entries, sorted by name.
func unknownVariables(known, environ []string) (unknown []unknownVariable) {
	var names []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, "ORGD_") && !slices.Contains(known, name) && !slices.Contains(otherVariables, name) && !isOfKubernetes(name, names) {
			unknown = append(unknown, unknownVariable{name, nearest(name, known)})
		}
	}
	return unknown
}

// isOfKubernetes reports whether Kubernetes set the variable to describe a service: for
// a service called orgd it sets ORGD_SERVICE_HOST, ORGD_SERVICE_PORT_HTTP, ORGD_PORT,
// ORGD_PORT_80_TCP_ADDR and others.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
func isOfKubernetes(name string, names []string) bool {
	return slices.ContainsFunc(names, func(host string) bool {
		service, ok := strings.CutSuffix(host, "_SERVICE_HOST")
		return ok && (strings.HasPrefix(name, service+"_SERVICE_") || strings.HasPrefix(name, service+"_PORT"))
	})
}

// variables returns the names of all environment variables that set flags of the node or
// of its commands.
func variables(node *kong.Node) (names []string) {
	for _, flag := range node.Flags {
		names = append(names, flag.Envs...)
	}
	for _, child := range node.Children {
		names = append(names, variables(child)...)
	}
	return names
}

// nearest returns the candidate with the smallest edit distance to name.
func nearest(name string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// edits returns the Levenshtein distance, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

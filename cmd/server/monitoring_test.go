package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"orgd/internal/dbtest"
)

// scraped returns the metrics of a server that has answered requests.
func scraped(t *testing.T) string {
	t.Helper()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	get(t, r.url+"/v1/orgs", d.Key(t, d.Account(t)))
	await(t, "the state of webhooks is not read", func() bool { return strings.Contains(r.metrics(t), "\norgd_webhooks{") })
	return r.metrics(t)
}

func (r *running) metrics(t *testing.T) string {
	t.Helper()
	_, _, metrics := get(t, r.adminURL+"/metrics", "")
	return string(metrics)
}

var (
	variable   = regexp.MustCompile(`\$\{?(\w+)`)
	metricName = regexp.MustCompile(`\b(?:orgd|go|process)_\w+`)
	byLabels   = regexp.MustCompile(`by \(([^)]*)\)`)
	ofLabel    = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
)

// checkExpression checks that every metric and label of a PromQL expression exists. It
// returns the number of metrics in the expression.
func checkExpression(t *testing.T, where, expr, metrics string) int {
	t.Helper()
	names := metricName.FindAllString(expr, -1)
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(metrics) {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
	var labels []string
	for _, by := range byLabels.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, strings.Split(by[1], ", ")...)
	}
	for _, matcher := range ofLabel.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, matcher[1])
	}
	for _, label := range labels {
		// Prometheus adds the label instance to every metric.
		if label != "instance" && !regexp.MustCompile(`(?m)^(?:`+strings.Join(names, "|")+`)\{(?:.*,)?`+label+`="`).MatchString(metrics) {
			t.Errorf("%s: none of %v has a label %s", where, names, label)
		}
	}
	return len(names)
}

// Every metric in an alert exists, and docs/operating.md explains every alert.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(readFile(t, "../../deploy/prometheus/alerts.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	metrics, manual := scraped(t), string(readFile(t, "../../docs/operating.md"))
	checked := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			checked += checkExpression(t, rule.Alert, rule.Expr, metrics)
			if !strings.Contains(manual, "`"+rule.Alert+"`") {
				t.Errorf("docs/operating.md does not explain %s", rule.Alert)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d names were checked", checked)
	}
}

// Every metric in the dashboard exists, and the dashboard shows every metric of orgd.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			ID          int
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	text := readFile(t, "../../deploy/grafana/dashboards/orgd.json")
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics := scraped(t)
	variables := map[string]bool{}
	for _, v := range dashboard.Templating.List {
		variables[v.Name] = true
		checkExpression(t, v.Name, v.Definition, metrics)
	}
	for _, used := range variable.FindAllStringSubmatch(string(text), -1) {
		// Grafana's built-in variables begin with two underscores.
		if !variables[used[1]] && !strings.HasPrefix(used[1], "__") {
			t.Errorf("there is no variable %s", used[1])
		}
	}
	ids, shown := map[int]bool{}, map[string]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %d %q: the id is unique: %v; %d targets", panel.ID, panel.Title, !ids[panel.ID], len(panel.Targets))
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			if checkExpression(t, panel.Title, target.Expr, metrics) == 0 {
				t.Errorf("%s: %q contains no metric", panel.Title, target.Expr)
			}
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
	}
	for _, help := range regexp.MustCompile(`(?m)^# TYPE (orgd_\w+) (\w+)`).FindAllStringSubmatch(metrics, -1) {
		name := help[1]
		if help[2] == "histogram" {
			name += "_count"
		}
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

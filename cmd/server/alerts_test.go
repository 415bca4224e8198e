package main

import (
	"os"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"

	"orgd/internal/db/dbtest"
)

// Every metric that an alert is made of is one that the server has.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	get(t, r.url+"/v1/orgs", d.Key(t, d.Account(t)))
	_, _, metrics := get(t, r.adminURL+"/metrics", "")
	manual, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			for _, name := range regexp.MustCompile(`orgd_\w+`).FindAllString(rule.Expr, -1) {
				checked++
				if !regexp.MustCompile(`(?m)^` + name + `[ {]`).Match(metrics) {
					t.Errorf("%s: there is no metric %s", rule.Alert, name)
				}
			}
			if !regexp.MustCompile("`" + rule.Alert + "`").Match(manual) {
				t.Errorf("docs/operating.md does not tell what %s means", rule.Alert)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d names were checked", checked)
	}
}

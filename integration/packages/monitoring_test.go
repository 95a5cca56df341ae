//go:build integration

package packages

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestIntegrationAlertRules lets Prometheus's own tool check the rules, and try
// each on a time when all is well and on one when everything is wrong.
func TestIntegrationAlertRules(t *testing.T) {
	run(t, "promtool", "check", "rules", "contrib/prometheus/alerts.yml")
	run(t, "promtool", "test", "rules", "contrib/prometheus/alerts_test.yml")
	tests := readFile(t, "contrib/prometheus/alerts_test.yml")
	rules := readFile(t, "contrib/prometheus/alerts.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(tests, `{alertname="`+m[1]+`"}`) {
			t.Errorf("%s is not tried", m[1])
		}
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "alerts.yml"), replace(t, rules, "extdisco_link_up == 0", "extdisco_link_up == 1"), 0o644)
	writeFile(t, filepath.Join(dir, "alerts_test.yml"), tests, 0o644)
	if out, err := try(t, "promtool", "test", "rules", filepath.Join(dir, "alerts_test.yml")); err == nil {
		t.Errorf("a wrong rule passes its tests:\n%s", out)
	}
}

// dashboard is as much of Grafana's format as is looked at here.
type dashboard struct {
	Title  string
	Panels []struct {
		ID          int
		Type, Title string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, LegendFormat string }
	}
	Templating struct{ List []struct{ Name string } }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(readFile(t, "contrib/grafana/extdisco.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestIntegrationDashboard checks what Grafana would show wrongly without a word:
// panels that cover each other, an id that is there twice, a query that is no
// PromQL, a variable that is not defined.
func TestIntegrationDashboard(t *testing.T) {
	d := readDashboard(t)
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, p := range d.Panels {
		if ids[p.ID] != "" || p.ID == 0 {
			t.Errorf("%q has the id of %q", p.Title, ids[p.ID])
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q covers %q, or is too wide", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("%q shows nothing, or does not say what", p.Title)
		}
		for _, target := range p.Targets {
			for _, m := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !variables[m[1]] {
					t.Errorf("%q uses $%s, which is not defined", p.Title, m[1])
				}
			}
			expr := regexp.MustCompile(`\$__rate_interval`).ReplaceAllString(target.Expr, "5m")
			quoted, err := json.Marshal(expr)
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString("      - { record: \"a:b\", expr: " + string(quoted) + " }\n")
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	writeFile(t, file, rules.String(), 0o644)
	if out, err := try(t, "promtool", "check", "rules", "--lint=none", file); err != nil {
		t.Errorf("a query is no PromQL: %s", out)
	}
}

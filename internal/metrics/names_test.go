package metrics_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/internal/metrics"
)

// TestNamesElsewhere holds that the documentation names every metric, and that it,
// the alerts and the dashboard name none that does not exist.
func TestNamesElsewhere(t *testing.T) {
	m := newMetrics(metrics.State{
		Links: []metrics.Link{{Since: at, Counts: new(metrics.LinkCounts)}}, Hosts: []metrics.Host{{Name: "h"}}, Providers: []metrics.Provider{{Name: "http", Config: "c", At: at, Expires: at}},
		Probes:    []metrics.Probe{{Server: "s", Config: "c", RoundTrip: time.Second, Checked: at, NotAfter: at}},
		Rotations: []metrics.Rotation{{Config: "c", Rotated: at, Due: at}},
		Relay:     &metrics.Relay{Transports: []metrics.RelayTransport{{Name: "udp"}}, Refused: map[string]uint64{"total": 1}, CertificateExpires: at},
	})
	exists := map[string]bool{}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (extdisco_\w+)`).FindAllStringSubmatch(read(t, m), -1) {
		exists[name[1]] = true
	}
	for _, file := range []string{"docs/operations.md", "contrib/prometheus/alerts.yml", "contrib/prometheus/alerts_test.yml", "contrib/grafana/extdisco.json"} {
		content, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`\bextdisco_[a-z_]+[a-z]\b`).FindAllString(string(content), -1) {
			name = strings.TrimSuffix(name, "_bucket")
			named[name] = true
			if !exists[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
		for name := range exists {
			if file == "docs/operations.md" && !named[name] {
				t.Errorf("%s does not name %s", file, name)
			}
		}
	}
}

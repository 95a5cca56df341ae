package command

import (
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

func TestProbeWrongUsage(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig)
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no time":             {[]string{"probe", "--timeout", "0s"}, statusUsage, "--timeout"},
		"a peer without port": {[]string{"probe", "--peer", "192.0.2.1"}, statusUsage, "--peer"},
		"no such CA file":     {[]string{"probe", "--ca-file", "missing.pem", "--config", file}, statusFailed, "missing.pem"},
		"no configuration":    {[]string{"probe", "--config", file + ".missing"}, statusFailed, "cannot read the configuration"},
		"query with --rtc":    {[]string{"query", "example.org", "--probe", "--rtc"}, statusUsage, "--rtc"},
		"query without time":  {[]string{"query", "example.org", "--probe", "--timeout", "0s"}, statusUsage, "--timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := runCommand(t, "", tt.args...); r.status != tt.status || !strings.Contains(r.stderr, tt.want) || r.stdout != "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

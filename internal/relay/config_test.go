package relay

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNewReportsEveryMistake(t *testing.T) {
	good := func(t *testing.T) Config {
		cfg := loopback(t)
		cfg.Log = newTestLog(&logBuffer{})
		return cfg
	}
	private := func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.0.0.5/24")}, nil
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"empty":                  {func(c *Config) { *c = Config{} }, []string{"host:", "listen:", "ports:", "secret", "limits.per_user", "limits.queue"}},
		"behind NAT":             {func(c *Config) { c.PublicIP, c.Interfaces = nil, private }, []string{"set public_ip"}},
		"an address of others":   {func(c *Config) { c.PublicIP[0].Local = netip.MustParseAddr("10.9.9.9") }, []string{"public_ip: this machine has no address 10.9.9.9"}},
		"twice":                  {func(c *Config) { c.PublicIP = append(c.PublicIP, c.PublicIP[0]) }, []string{"named twice"}},
		"TLS without files":      {func(c *Config) { c.CertFile = "" }, []string{"tls_listen needs cert_file and key_file"}},
		"no such certificate":    {func(c *Config) { c.CertFile = "/nonexistent/cert.pem" }, []string{"cert_file /nonexistent/cert.pem"}},
		"ports the wrong way":    {func(c *Config) { c.FirstPort, c.LastPort = 5000, 4000 }, []string{"ports: 5000-4000"}},
		"a name to listen at":    {func(c *Config) { c.Listen = []string{"turn.example.org:3478"} }, []string{`listen: "turn.example.org:3478"`}},
		"an address and no port": {func(c *Config) { c.TLSListen = []string{"127.0.0.1"} }, []string{`tls_listen: "127.0.0.1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good(t)
			c.change(&cfg)
			_, err := New(cfg)
			if err == nil {
				t.Fatal("New accepts it")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

package report

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/config"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

// checked reads a configuration as check does.
func checked(t *testing.T, content string) (Checked, string) {
	t.Helper()
	file := testkit.WriteConfig(t, content)
	cfg, err := config.Load(file, testkit.Time)
	return Checked{File: file, Err: err, Config: cfg}, filepath.Dir(file)
}

const rotatingServer = "[[ice_server]]\nurls = [\"turn:rotates.example.org\"]\nrotate = \"720h\"\nrealm = \"example.org\"\ncoturn_db = \"sqlite:/var/lib/turn/turndb\"\n"

func TestCheck(t *testing.T) {
	const local = `urls = ["stun:localhost", "turn:turn.example.org"]`
	usual := `urls = ["stun:turn.example.org", "turn:turn.example.org"]`
	const summary = `
  component  turn.example.org at 127.0.0.1:5347
  trusts     example.org
  serves     example.org
`
	const offers = `  offers     stun:turn.example.org:3478
             turn:turn.example.org:3478?transport=udp
`
	const offersLocal = `  offers     stun:localhost:3478
             turn:turn.example.org:3478?transport=udp
`
	const localWarning = "extdisco: warning: DIR/config.toml:6: ice_server[0].urls[0]: names a loopback address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network\n"
	provided := Fetched{Key: "ice_server[1]", Provider: "http", Services: []xep0215.Service{{Type: "stun", Host: "stun.example.org", Port: 3478, Transport: "udp"}}}
	tests := []struct {
		name, config  string
		change        func(*Checked)
		out, err      string // with DIR
		failure, json string // a part of each
	}{
		{"valid", testkit.MinimalConfig, nil, "DIR/config.toml is valid." + summary + offers, "", "", `"valid": true,`},
		{"valid with a warning", strings.Replace(testkit.MinimalConfig, usual, local, 1), nil,
			"DIR/config.toml is valid, but one thing needs attention; see the warning." + summary + offersLocal, localWarning, "", `"key": "ice_server[0].urls[0]",`},
		{"valid with two warnings", strings.Replace(testkit.MinimalConfig, usual, local, 1), func(c *Checked) {
			c.Warnings = config.Faults{{File: c.File, Key: "ice_server[0]", Message: "more"}}
		}, "DIR/config.toml is valid, but 2 things need attention; see the warnings." + summary + offersLocal,
			localWarning + "extdisco: warning: DIR/config.toml: ice_server[0]: more\n", "", `"message": "more"`},
		{"denied users, another reader", testkit.MinimalConfig + "[access]\ndeny = [\"mallory@example.org\"]\n", func(c *Checked) { c.As = "extdisco" },
			"DIR/config.toml is valid." + summary + "  denies     mallory@example.org\n" + offers + "  read by    extdisco\n", "", "", `"read_by": "extdisco",`},
		{"chosen servers", testkit.MinimalConfig + "[offer]\nservers = 2\n", nil,
			"DIR/config.toml is valid." + summary + offers + "  gives      each user at most 2 servers with TURN\n", "", "", `"servers": 2`},
		{"a fault and a warning", strings.Replace(testkit.MinimalConfig, usual, local, 1) + "ttl = 5\n", nil,
			"", localWarning, "DIR/config.toml:8: ice_server[0].ttl: is a number without a unit; write \"5s\"\nDIR/config.toml is not valid: 1 fault", `"valid": false,`},
		{"two faults", testkit.MinimalConfig + "ttl = 5\nfoo = 1\n", nil, "", "", "DIR/config.toml is not valid: 2 faults", `"line": 8,`},
		{"no file", testkit.MinimalConfig, func(c *Checked) { c.Config, c.Err = nil, errors.New("cannot read it") }, "", "", "cannot read it", `"error": "cannot read it",`},
		{"what a provider gave", testkit.MinimalConfig, func(c *Checked) { c.Fetched = []Fetched{provided} },
			"DIR/config.toml is valid." + summary + offers + "\nice_server[1]: http gives:\n" +
				"TYPE  HOST              PORT  TRANSPORT  USERNAME  PASSWORD  EXPIRES\nstun  stun.example.org  3478  udp        -         -         -\n", "", "", `"uri": "stun:stun.example.org:3478"`},
		{"a secret that rotates", testkit.MinimalConfig + rotatingServer, nil,
			"DIR/config.toml is valid." + summary + offers + "             turn:rotates.example.org:3478?transport=udp\n  rotates    the secret of realm example.org every 720h (ice_server[1])\n", "", "", `"every": "720h"`},
		{"a secret that was rotated", testkit.MinimalConfig + rotatingServer, func(c *Checked) {
			c.Rotated = []Rotated{{Key: "ice_server[1]", Made: testkit.Time, Note: "a note"}}
		}, "DIR/config.toml is valid." + summary + offers + "             turn:rotates.example.org:3478?transport=udp\n  rotates    the secret of realm example.org every 720h (ice_server[1]); the newest is of 2026-11-21T04:00:00Z; a note\n", "", "", `"made": "2026-11-21T04:00:00Z"`},
		{"a database without secrets", testkit.MinimalConfig + rotatingServer, func(c *Checked) {
			c.Rotated = []Rotated{{Key: "ice_server[1]"}}
		}, "DIR/config.toml is valid." + summary + offers + "             turn:rotates.example.org:3478?transport=udp\n  rotates    the secret of realm example.org every 720h (ice_server[1]); the database has none of ours yet\n", "", "", `"realm": "example.org"`},
		{"a database that failed", testkit.MinimalConfig + rotatingServer, func(c *Checked) {
			c.Rotated = []Rotated{{Key: "ice_server[1]", Err: errors.New("refused")}}
		}, "DIR/config.toml is valid." + summary + offers + "             turn:rotates.example.org:3478?transport=udp\n  rotates    the secret of realm example.org every 720h (ice_server[1])\n", "", "ice_server[1]: coturn's database: refused", `"error": "refused"`},
		{"a provider that failed", testkit.MinimalConfig, func(c *Checked) {
			c.Fetched = []Fetched{{Key: "ice_server[1]", Provider: "http", Err: errors.New("refused")}}
		}, "DIR/config.toml is valid." + summary + offers, "", "ice_server[1]: http: refused", `"error": "refused"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, dir := checked(t, tt.config)
			if tt.change != nil {
				tt.change(&c)
			}
			var out, stderr, asJSON strings.Builder
			if err := errors.Join(Check(&out, &stderr, c, testkit.Time), CheckedJSON(&asJSON, c)); err != nil {
				t.Fatal(err)
			}
			testkit.WantEqual(t, "standard output", strings.ReplaceAll(out.String(), dir, "DIR"), tt.out)
			testkit.WantEqual(t, "standard error", strings.ReplaceAll(stderr.String(), dir, "DIR"), tt.err)
			failure := ""
			if err := c.Failure(); err != nil {
				failure = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if (failure == "") != (tt.failure == "") || !strings.HasSuffix(failure, tt.failure) {
				t.Errorf("failure %q, want %q", failure, tt.failure)
			}
			if !strings.HasPrefix(asJSON.String(), "{\n  \"version\": 1,\n") || !strings.Contains(asJSON.String(), tt.json) || strings.Contains(asJSON.String(), "null") {
				t.Errorf("no %s in %s", tt.json, asJSON.String())
			}
		})
	}
}

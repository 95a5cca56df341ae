package setup

import (
	"slices"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// severalServers is a configuration for two servers, of which one is on this machine.
const severalServers = "[[component]]\nname = \"one\"\njid = \"turn.example.com\"\nserver = \"192.0.2.1:5347\"\nsecret = \"another handshake secret, for one\"\n" +
	"[[component]]\nname = \"two\"\njid = \"turn.example.org\"\nsecret = \"" + handshake + "\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n"

// TestOneOfSeveralServers sets up the server of this machine.
func TestOneOfSeveralServers(t *testing.T) {
	root := prosodyTree(t, "VirtualHost \"example.org\"\n", "etc/extdisco/config.toml", severalServers)
	plan, err := Find(Options{Root: root, Link: "two", Now: testkit.Time})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Domain != "example.org" || !slices.Contains(plan.Found, Line{"Link", "two"}) {
		t.Errorf("%+v", plan)
	}
	conf := ""
	for _, c := range plan.Changes {
		if strings.HasSuffix(c.file, confFile) {
			conf = string(c.content)
		}
		if strings.Contains(c.file, "etc/extdisco") {
			t.Errorf("setup would change %s", c.file)
		}
	}
	if !strings.Contains(conf, "Component \"turn.example.org\"") || strings.Contains(conf, "example.com") || !strings.Contains(conf, handshake) {
		t.Errorf("Prosody's file is %q", conf)
	}
}

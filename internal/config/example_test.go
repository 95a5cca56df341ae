package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/internal/testkit"
)

// commentedOut is a line of the example that is configuration once the "# " is
// taken away.
var commentedOut = regexp.MustCompile(`(?m)^# ((?:\w+ *= |\[[\[a-z]).*)$`)

// exampleConfig returns config.toml.example as it stands, and with every key
// activated.
func exampleConfig(t *testing.T) (asItStands, activated string) {
	t.Helper()
	asItStands = readFile(t, "../../config.toml.example")
	activated = commentedOut.ReplaceAllString(asItStands, "$1")
	if activated == asItStands {
		t.Fatal("nothing in the example is commented out")
	}
	return asItStands, activated
}

// namedFile is a file that a configuration names.
var namedFile = regexp.MustCompile(`(?m)(?:^\w+_|\b)file *= "([\w.-]+)"`)

// loadExample loads a configuration with the files beside it that it names.
func loadExample(t *testing.T, content string) *Config {
	t.Helper()
	content = strings.Replace(content, `"203.0.113.5"`, `"127.0.0.1"`, 1) // an address that every machine has
	file := testkit.WriteConfig(t, content)
	dir := filepath.Dir(file)
	if _, err := lab.NewCA(dir); err != nil { // writes ca.pem
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(dir, "server.pem"), readFile(t, "testdata/secrets/server.pem"))
	testkit.WriteFile(t, filepath.Join(dir, "server.key"), readFile(t, "testdata/secrets/server.key"))
	testkit.WriteFile(t, filepath.Join(dir, "GeoLite2-Country.mmdb"), testkit.Countries(t, map[string]string{"192.0.2.0/24": "DE"}))
	for _, m := range namedFile.FindAllStringSubmatch(content, -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			testkit.WriteFile(t, filepath.Join(dir, m[1]), "secret-in-"+m[1]+"\n")
		}
	}
	testkit.WriteFile(t, filepath.Join(dir, "coturn-db.url"), "postgres://turn:password@db.example.org/coturn\n")
	return mustLoad(t, file)
}

func TestExampleConfig(t *testing.T) {
	asItStands, activated := exampleConfig(t)
	plain, full := loadExample(t, asItStands), loadExample(t, activated)

	if len(plain.Warnings) > 0 {
		t.Errorf("the example is warned about: %s", plain.Warnings)
	}
	if len(plain.ICEServers) != 1 || len(full.ICEServers) != 5+len(presets) {
		t.Fatalf("%d servers, and %d when activated", len(plain.ICEServers), len(full.ICEServers))
	}
	if full.ICEServers[0].PseudonymKey.Reveal() != testkit.PseudonymKey || full.ICEServers[4].Password.Reveal() != testkit.Password {
		t.Error("a secret file of the example was not read")
	}
	for _, s := range full.ICEServers[5:] {
		if s.Provider == nil || s.Provider.RootCAs == nil != (s.Provider.Name != "cloudflare") {
			t.Errorf("a provider of the example was read as %+v", s.Provider)
		}
	}
	if !slices.Equal(full.Access.Allow, []string{"meet.example.org", "guest.meet.example.org"}) {
		t.Errorf("allow = %q", full.Access.Allow)
	}
}

// TestExampleConfigTellsDefaults activates what is commented out with its
// default, and nothing may change.
func TestExampleConfigTellsDefaults(t *testing.T) {
	asItStands, activated := exampleConfig(t)
	plain, full := loadExample(t, asItStands), loadExample(t, activated)
	if !full.Components[0].SameLink(plain.Components[0]) {
		t.Errorf("component = %+v, and %+v by default", full.Components, plain.Components)
	}
	if full.Limits != plain.Limits {
		t.Errorf("limits = %+v, and %+v by default", full.Limits, plain.Limits)
	}
	if probe := (Probe{On: true, Interval: 30 * time.Second, AllocateInterval: 5 * time.Minute, Timeout: 3 * time.Second, RootCAs: full.Probe.RootCAs}); full.Probe != probe || plain.Probe.On {
		t.Errorf("probe = %+v, want %+v", full.Probe, probe)
	}
	if full.Log != plain.Log {
		t.Errorf("log = %+v, and %+v by default", full.Log, plain.Log)
	}
	if full.ICEServers[0].Choice.Weight != plain.ICEServers[0].Choice.Weight || full.Relay.Choice.Weight != plain.ICEServers[0].Choice.Weight {
		t.Error("weight is another by default")
	}
	if full.ICEServers[0].TTL != plain.ICEServers[0].TTL {
		t.Errorf("ttl = %v, and %v by default", full.ICEServers[0].TTL, plain.ICEServers[0].TTL)
	}
}

var knownKeys = regexp.MustCompile(`unknown key; known (?:in \[+([a-z_.]+)\]+|at the top): (.*)`)

// loaderKeys returns the keys that the loader knows, by section, from what it
// says about one that it does not know. The section "" has the sections.
func loaderKeys(t *testing.T) map[string][]string {
	t.Helper()
	const unknownEverywhere = "x = 1\n[component]\nx = 1\n[access]\nx = 1\n[[ice_server]]\nx = 1\n[offer]\nx = 1\n[limits]\nx = 1\n[probe]\nx = 1\n[http]\nx = 1\n[[rest_client]]\nx = 1\n[log]\nx = 1\n[relay]\nx = 1\n[relay.limits]\nx = 1\n"
	_, err := parse("config.toml", []byte(unknownEverywhere), testkit.Time)
	if err == nil {
		t.Fatal("unknown keys are accepted")
	}
	known := map[string][]string{}
	for _, m := range knownKeys.FindAllStringSubmatch(err.Error(), -1) {
		known[m[1]] = strings.Split(m[2], ", ")
	}
	return known
}

func TestExampleConfigNamesEveryKey(t *testing.T) {
	_, activated := exampleConfig(t)
	named := map[string][]string{}
	section := ""
	for line := range strings.SplitSeq(activated, "\n") {
		if m := regexp.MustCompile(`^\[+([\w.]+)\]+$`).FindStringSubmatch(line); m != nil {
			section = m[1]
			named[""] = append(named[""], section)
		} else if m := regexp.MustCompile(`^(\w+) *= `).FindStringSubmatch(line); m != nil {
			named[section] = append(named[section], m[1])
		}
	}
	known := loaderKeys(t)
	if len(known) != len(known[""])+2 { // [relay.limits], and the sections themselves
		t.Errorf("there are the sections %q, and keys are known of %d: teach loaderKeys the new one", known[""], len(known)-1)
	}
	for section, keys := range known {
		for _, key := range keys {
			t.Run(section+" "+key, func(t *testing.T) {
				// The example says of all secrets at once that NAME works too.
				isSecret := slices.Contains(keys, key+"_file")
				if _, isTable := known[section+"."+key]; isTable {
					return
				}
				if !slices.Contains(named[section], key) && (!isSecret || !slices.Contains(named[section], key+"_file")) {
					t.Errorf("config.toml.example does not name %s in [%s]", key, section)
				}
			})
		}
	}
}

// TestExampleConfigNamesEveryProviderKey does the same for the keys that depend on
// the provider.
func TestExampleConfigNamesEveryProviderKey(t *testing.T) {
	example := readFile(t, "../../config.toml.example")
	for name := range presets {
		t.Run(name, func(t *testing.T) {
			_, err := parse("config.toml", []byte("[[ice_server]]\nprovider = \""+name+"\"\nx = 1\n"), testkit.Time)
			if err == nil {
				t.Fatal("an unknown key is accepted")
			}
			m := knownKeys.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("does not tell the known keys: %v", err)
			}
			keys := strings.Split(m[2], ", ")
			for _, key := range keys {
				isSecret := slices.Contains(keys, key+"_file")
				if !regexp.MustCompile(`(?m)^# +`+key+`(_file)? *= `).MatchString(example) && !isSecret {
					t.Errorf("config.toml.example does not name %s", key)
				}
			}
		})
	}
}

func TestExampleConfigTellsDefaultsOfRelay(t *testing.T) {
	_, activated := exampleConfig(t)
	full := loadExample(t, activated).Relay
	plain, err := parse("config.toml", []byte("[relay]\npublic_ip = [\"127.0.0.1\"]\nsecret = \"a secret that is long enough\"\ncert_file = \"testdata/secrets/server.pem\"\nkey_file = \"testdata/secrets/server.key\"\n"), testkit.Time)
	if err != nil {
		t.Fatal(err)
	}
	want := plain.Relay
	if full.Limits != want.Limits {
		t.Errorf("limits = %+v, and %+v by default", full.Limits, want.Limits)
	}
	if !slices.Equal(full.Listen, want.Listen) || !slices.Equal(full.TLSListen, want.TLSListen) || full.TLSPort != want.TLSPort ||
		full.FirstPort != want.FirstPort || full.LastPort != want.LastPort || full.TTL != want.TTL {
		t.Errorf("%+v, and %+v by default", full, want)
	}
}

func TestExampleConfigSaysWhereFilesAreRead(t *testing.T) {
	asItStands, _ := exampleConfig(t)
	file := testkit.WriteConfig(t, asItStands)
	t.Chdir(t.TempDir()) // relative names are taken from the folder of the file
	if cfg := mustLoad(t, file); cfg.Components[0].Secret.Reveal() != testkit.Handshake {
		t.Error("the handshake secret is another")
	}
	absolute := strings.ReplaceAll(asItStands, `"component.secret"`, `"`+filepath.Join(filepath.Dir(file), "component.secret")+`"`)
	absolute = strings.ReplaceAll(absolute, `"turn.secret"`, `"`+filepath.Join(filepath.Dir(file), "turn.secret")+`"`)
	testkit.WriteFile(t, "other.toml", absolute)
	if cfg := mustLoad(t, "other.toml"); cfg.Components[0].Secret.Reveal() != testkit.Handshake {
		t.Error("the handshake secret from an absolute name is another")
	}
}

package daemon

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/internal/testkit"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// rotatingConfig has one server whose secret is being changed, beside one of another kind.
const rotatingConfig = `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[[ice_server]]
urls = ["stun:a.example.org", "turn:a.example.org", "turns:a.example.org"]
secret_file = "turn.secret"
previous_secret = "` + testkit.PreviousSecret + `"

[[ice_server]]
urls = ["turn:b.example.org"]
username = "user"
password_file = "static.password"

[probe]
interval = "1h"
allocate_interval = "1h"
`

// madeWith returns the secret that the first relay's credential is made with.
func madeWith(t *testing.T, d *daemon) string {
	t.Helper()
	reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, offerTo(d, "alice@example.org", testkit.Time))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range testkit.ParseServices(t, string(reply)) {
		for name, text := range map[string]string{"new": testkit.SharedSecret, "previous": testkit.PreviousSecret} {
			if made := turncred.NewSharedSecret([]byte(text), nil, 0).AppendPassword(nil, []byte(s.Username)); s.Host != "b.example.org" && string(made) == s.Password {
				return name
			}
		}
	}
	return "neither"
}

func TestRotation(t *testing.T) {
	steps := []struct {
		name    string
		accepts string // of turn and turns: ?, n(ew), p(revious), 0 for neither
		want    string
		log     string // what has been logged about secrets: p and n
	}{
		{"nothing is known yet", "??", "previous", ""},
		{"one has the previous one", "p?", "previous", "p"},
		{"both have", "pp", "previous", "p"},
		{"it is stopped", "0p", "previous", "p"},
		{"it is away", "00", "new", "p"},
		{"it comes back as it was", "0p", "previous", "p"},
		{"one accepts the new one", "np", "new", "pn"},
		{"both do", "nn", "new", "pn"},
		{"it goes back", "pp", "previous", "pnp"},
		{"and forward", "nn", "new", "pnpn"},
	}
	d, log := newTestDaemon(t, rotatingConfig)
	defer d.close()
	o := d.offers.now()
	o.health.monitor.Close() // the results are made here
	r := newSecretChange(o, d.log, nil)
	marks := map[string]string{}
	for _, tt := range steps {
		health := o.health.monitor.Snapshot()
		relay := 0
		for i := range health {
			if health[i].Where == "ice_server[0]" && health[i].Credential != nil {
				health[i].Accepts = map[byte]probe.SecretState{'?': probe.SecretUnknown, 'n': probe.SecretNew, 'p': probe.SecretPrevious, '0': probe.SecretNeither}[tt.accepts[relay]]
				relay++
			}
		}
		r.follow(health)
		if got := madeWith(t, d); got != tt.want {
			t.Errorf("%s: credentials are made with the %s secret, want the %s", tt.name, got, tt.want)
		}
		if p, n := told(log, "made with the previous secret"), told(log, "made with the new secret"); p != strings.Count(tt.log, "p") || n != strings.Count(tt.log, "n") {
			t.Errorf("%s: logged %d and %d times, want %s:\n%s", tt.name, p, n, tt.log, log)
		}
		mark := o.mark([]byte("example.org"), testkit.Time)
		if before, known := marks[tt.want]; known && before != mark {
			t.Errorf("%s: the mark is another one than before with that secret", tt.name)
		}
		marks[tt.want] = mark
	}
	if marks["new"] == marks["previous"] {
		t.Error("the mark does not tell which secret is in force")
	}
	testkit.WantNoSecrets(t, "the log", log.String(), testkit.Secrets...)
}

// A fresh start begins with the secret that was good before, and without [probe] with the
// new one.
func TestRotationBegins(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	config := strings.Replace(rotatingConfig, `"stun:a.example.org", "turn:a.example.org", "turns:a.example.org"`, fmt.Sprintf("%q", "turn:"+silent.LocalAddr().String()), 1)
	d, _ := newTestDaemon(t, config)
	defer d.close()
	if got := madeWith(t, d); got != "previous" {
		t.Errorf("with [probe], it begins with the %s secret", got)
	}
	blind, _ := newTestDaemon(t, strings.Split(config, "[probe]")[0])
	defer blind.close()
	if got := madeWith(t, blind); got != "new" {
		t.Errorf("without [probe], it begins with the %s secret", got)
	}
}

// What is part of a rotation is told once, and not of each URL.
func TestRotationExplainsItself(t *testing.T) {
	credential := func(time.Time) (string, secret.Secret, error) { return "", secret.Secret{}, nil }
	server := func(state probe.State, accepts probe.SecretState) probe.Health {
		return probe.Health{Target: probe.Target{Where: "ice_server[0]", Credential: credential}, State: state, Accepts: accepts}
	}
	for _, tt := range []struct {
		name  string
		one   probe.Health
		other probe.SecretState
		want  bool
	}{
		{"has the previous secret, which is in force", server(probe.Up, probe.SecretPrevious), probe.SecretPrevious, true},
		{"has the previous secret, and another the new one", server(probe.Up, probe.SecretPrevious), probe.SecretNew, false},
		{"has just been stopped", server(probe.Up, probe.SecretNeither), probe.SecretPrevious, true},
		{"stays away", server(probe.Down, probe.SecretNeither), probe.SecretNeither, false},
		{"has neither", server(probe.Misconfigured, probe.SecretNeither), probe.SecretNeither, false},
		{"has the new one", server(probe.Up, probe.SecretNew), probe.SecretNew, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := new(secretChange).explains(tt.one, []probe.Health{tt.one, server(probe.Up, tt.other)}); got != tt.want {
				t.Errorf("explained: %v", got)
			}
		})
	}
}

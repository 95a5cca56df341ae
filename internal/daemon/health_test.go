package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

const probedConfig = `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[[ice_server]]
urls = ["stun:a.example.org", "turn:a.example.org", "turns:a.example.org"]
secret_file = "turn.secret"

[[ice_server]]
urls = ["turn:b.example.org"]
username = "user"
password_file = "static.password"

[[ice_server]]
urls = ["stun:c.example.org"]

[probe]
interval = "1h"
allocate_interval = "1h"
`

// offered returns the types and hosts of what is offered, in order.
func offered(t *testing.T, d *daemon) string {
	t.Helper()
	reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, offerTo(d, "alice@example.org", testkit.Time))
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, s := range testkit.ParseServices(t, string(reply)) {
		uris = append(uris, s.Type+":"+strings.TrimSuffix(s.Host, ".example.org"))
	}
	return strings.Join(uris, " ")
}

func TestHideUnhealthy(t *testing.T) {
	const all = "stun:a turn:a turns:a turn:b stun:c"
	tests := []struct {
		name   string
		hide   bool
		states string // of all, in order: u(p), d(own), m(isconfigured), ?
		want   string
	}{
		{"all up", true, "uuuuu", all},
		{"nothing is known yet", true, "?????", all},
		{"one down", true, "uuduu", "stun:a turn:a turn:b stun:c"},
		{"one down, without hide_unhealthy", false, "uuduu", all},
		{"all of a server down", true, "ddduu", "turn:b stun:c"},
		{"all of an ice_server without others down", true, "uuuud", "stun:a turn:a turns:a turn:b"},
		{"all down", true, "ddddd", all},
		{"all that relay down", true, "udddu", all},
		{"all that relay down, and one that does not", true, "ddddu", "turn:a turns:a turn:b stun:c"},
		{"all stun servers down", true, "duuud", all},
		{"a refused credential hides nothing", true, "ummuu", all},
		{"one down beside a refused credential", true, "uumdu", "stun:a turn:a turns:a stun:c"},
		{"what refuses the credential is no relay to fall back on", true, "udmdu", all},
		{"one not tried yet is one", true, "ud?uu", "stun:a turns:a turn:b stun:c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newTestDaemon(t, strings.ReplaceAll(probedConfig, "[probe]\n", "[probe]\nhide_unhealthy = true\n"))
			defer d.close()
			o := d.offers.now()
			health := o.health.monitor.Snapshot()
			if len(health) != len(tt.states) {
				t.Fatalf("%d servers are watched", len(health))
			}
			for i := range health {
				health[i].State = map[byte]probe.State{'u': probe.Up, 'd': probe.Down, 'm': probe.Misconfigured, '?': probe.Unknown}[tt.states[i]]
			}
			if tt.hide {
				o.hide(unhealthy(health))
			}
			if got := offered(t, d); got != tt.want {
				t.Errorf("offered %s, want %s", got, tt.want)
			}
		})
	}
}

// What is offered is ready before it is asked for, whether something is hidden or not.
func TestHidingCostsRequestsNothing(t *testing.T) {
	d, _ := newTestDaemon(t, probedConfig)
	defer d.close()
	o := d.offers.now()
	who, s := requester{name: []byte("alice@example.org")}, new(selection)
	for name, hidden := range map[string]map[xep0215.Key]bool{"nothing hidden": nil,
		"one hidden": {xep0215.Service{Type: "turns", Host: "a.example.org", Port: 5349, Transport: "tcp"}.Key(): true}} {
		o.hide(hidden)
		if n := testing.AllocsPerRun(100, func() { o.groups(s, who, testkit.Time) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A client that got the list before a server went down, and asks for the credentials
// of all that is in it, must not get an error: Monal would not begin its call.
func TestCredentialsOfAHiddenServer(t *testing.T) {
	d, _ := newTestDaemon(t, probedConfig)
	defer d.close()
	hidden := xep0215.Service{Type: "turns", Host: "a.example.org", Port: 5349, Transport: "tcp"}.Key()
	d.offers.now().hide(map[xep0215.Key]bool{hidden: true})
	tests := []struct{ name, payload, want string }{
		{"list", "<services xmlns='urn:xmpp:extdisco:2'/>", "stun turn turn stun"},
		{"list in version 1", "<services xmlns='urn:xmpp:extdisco:1'/>", "stun turn turn stun"},
		{"list of the type", "<services xmlns='urn:xmpp:extdisco:2' type='turns'/>", ""},
		{"credentials", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turns' host='a.example.org'/></credentials>", "turns"},
		{"credentials of both", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turns' host='a.example.org' port='5349'/><service type='turn' host='a.example.org'/></credentials>", "turn turns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := ask(t, d, tt.payload, "alice@example.org")
			if err != nil {
				t.Fatal(err)
			}
			fast, err := new(xep0215.Handler).AppendFast(nil, tt.payload[strings.Index(tt.payload, "urn:"):][:len(xep0215.NS)], []byte(tt.payload), offerTo(d, "alice@example.org", testkit.Time))
			if err != nil || string(fast) != reply {
				t.Errorf("the fast path answers %v %s, the other %s", err, fast, reply)
			}
			var types []string
			for _, s := range testkit.ParseServices(t, reply) {
				if types = append(types, s.Type); s.Restricted && (s.Username == "" || s.Password == "") {
					t.Errorf("%s without a credential", s.Type)
				}
			}
			if got := strings.Join(types, " "); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMonitorTargets(t *testing.T) {
	cfg := mustLoad(t, testkit.WriteConfig(t, probedConfig))
	var got []string
	for _, target := range monitorTargets(cfg.ICEServers) {
		line := target.Where + " " + target.ID
		if target.Credential != nil {
			username, password, err := target.Credential(testkit.Time)
			if err != nil || password.IsEmpty() {
				t.Errorf("%s: %v", line, err)
			}
			line += " " + username
		}
		got = append(got, line)
	}
	want := []string{
		"ice_server[0] stun:a.example.org:3478",
		"ice_server[0] turn:a.example.org:3478?transport=udp 1795320000:healthcheck",
		"ice_server[0] turns:a.example.org:5349?transport=tcp 1795320000:healthcheck",
		"ice_server[1] turn:b.example.org:3478?transport=udp user",
		"ice_server[2] stun:c.example.org:3478",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLogHealth(t *testing.T) {
	server := probe.Server{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Username: "1795234200:healthcheck", Password: secret.New(testkit.Password)}
	refused := &probe.Failure{Step: probe.StepAllocate, Kind: probe.KindUnauthorized, Code: 401}
	full := &probe.Failure{Step: probe.StepAllocate, Kind: probe.KindQuota, Code: 486}
	closed := &probe.Failure{Step: probe.StepBinding, Kind: probe.KindTimeout}
	tests := []struct {
		name   string
		health probe.Health
		want   string
	}{
		{"up", probe.Health{State: probe.Up}, `level=INFO msg="a server works" server="turn:turn.example.org:3478?transport=udp" config=ice_server[0]`},
		{"up, with one lost datagram since", probe.Health{State: probe.Up, Failure: closed}, `level=INFO msg="a server works" server="turn:turn.example.org:3478?transport=udp" config=ice_server[0]`},
		{"down", probe.Health{State: probe.Down, Failure: closed}, `level=WARN msg="a server does not work" server="turn:turn.example.org:3478?transport=udp" config=ice_server[0] do="` + closed.Cure() + `" err="binding: no answer"`},
		{"misconfigured", probe.Health{State: probe.Misconfigured, Failure: refused}, `level=ERROR msg="a server refuses the credentials issued for it" server="turn:turn.example.org:3478?transport=udp" config=ice_server[0] do="` + refused.Cure() + `" err="allocate: 401: the credential is refused"`},
		{"full", probe.Health{State: probe.Up, Impaired: true, Failure: full}, `level=WARN msg="a server works, but needs attention" server="turn:turn.example.org:3478?transport=udp" config=ice_server[0] do="` + full.Cure() + `" err="allocate: 486: the quota is used up"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := testkit.NewLogBuffer()
			tt.health.Target = probe.Target{Where: "ice_server[0]", Server: server}
			logHealth(testkit.NewLog(log), tt.health)
			testkit.WantEqual(t, "log", log.String(), tt.want+"\n")
		})
	}
}

// A reload keeps what is known of servers that stay, and hides at once what was hidden.
func TestReloadKeepsWhatIsHidden(t *testing.T) {
	// Ports of this machine where nothing listens.
	const servers = `[component]
jid = "turn.example.org"
secret_file = "component.secret"
[[ice_server]]
urls = ["stun:stun.example.net"]
[[ice_server]]
urls = ["turn:127.0.0.1:1", "turn:127.0.0.1:1?transport=tcp"]
secret_file = "turn.secret"
[[ice_server]]
urls = ["turn:127.0.0.2:1"]
username = "user"
password_file = "static.password"
`
	load := func(content string) *config.Config {
		cfg := mustLoad(t, testkit.WriteConfig(t, content))
		cfg.Probe.Interval = 10 * time.Millisecond
		return cfg
	}
	log := testkit.NewLogBuffer()
	d := daemonFor(load(servers+"[probe]\nhide_unhealthy = true\n"), testkit.NewLog(log))
	defer d.close()
	log.WaitFor(t, `"a server does not work" server="turn`, 3)
	d.use(load(strings.Replace(servers, ", \"turn:127.0.0.1:1?transport=tcp\"", "", 1)+"[probe]\nhide_unhealthy = true\n"), testkit.Time)
	health := d.offers.now().health.monitor.Snapshot()
	if len(health) != 3 || health[1].State != probe.Down || health[2].State != probe.Down || health[1].Failures < probe.Fall {
		t.Fatalf("after the reload: %+v", health)
	}
	if n := told(log, `server="turn:127.0.0.1:1?transport=udp"`); n != 1 {
		t.Errorf("told %d times of one server:\n%s", n, log)
	}
	d.use(load(servers), testkit.Time)
	if d.offers.now().health != nil {
		t.Error("servers are watched without [probe]")
	}
	if got := offered(t, d); got != "stun:stun.example.net turn:127.0.0.1 turn:127.0.0.1 turn:127.0.0.2" {
		t.Errorf("offered %s without [probe]", got)
	}
}

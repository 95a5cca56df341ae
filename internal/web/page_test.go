package web_test

import (
	"bytes"
	"html"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/internal/web"
)

var pageTime = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

// well returns a status with nothing to find fault with.
func well() web.Status {
	return web.Status{
		Version: "1.2.3", Started: pageTime.Add(-90 * time.Minute), Now: pageTime,
		Links: []web.Link{{
			Name: "turn.example.org", Up: true, Since: pageTime.Add(-30 * time.Second), JID: "turn.example.org", Server: "127.0.0.1:5347",
			Hosts: []web.Host{{Name: "example.org", Forwards: true, How: "delegation", Since: pageTime.Add(-30 * time.Second)}},
		}},
		Config: web.Reading{File: "config.toml", At: pageTime.Add(-72 * time.Hour), OK: true},
		Relays: []web.Relay{{URL: "turn:one.example.org:3478", Credentials: "one for each user", Health: web.Healthy, Detail: "answers in 1 ms", Checked: pageTime.Add(-5 * time.Second)}},
		Checks: true,
		Hour:   make([]web.Minute, 60),
	}
}

// shown returns the page with blanks joined, as HTML and as text.
func shown(t *testing.T, s web.Status) (page, text string) {
	t.Helper()
	w := ask(t, newSite(&backend{status: s}, new(bytes.Buffer)), "GET", "/", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	page = strings.Join(strings.Fields(w.Body.String()), " ")
	text = html.UnescapeString(strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")), " "))
	text = strings.NewReplacer(" ,", ",", " .", ".").Replace(text)
	return page, text
}

// banner returns the class of the banner and what it says.
func banner(t *testing.T, page string) (class, text string) {
	t.Helper()
	m := regexp.MustCompile(`<div class="banner (\w+)">.*?<div>(.*?)</div>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no banner: %s", page)
	}
	return m[1], html.UnescapeString(strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[2], " ")), " "))
}

// The banner is the worst of the link, the hosts that forward, the servers, the
// providers and the configuration; below it stands the rest.
func TestBanner(t *testing.T) {
	relays := func(of ...web.Health) (relays []web.Relay) {
		for _, h := range of {
			relays = append(relays, web.Relay{URL: "turn:x.example.org", Health: h, Failures: 1})
		}
		return relays
	}
	host := func(forwards, known bool) web.Host {
		h := web.Host{Name: "h", Forwards: forwards}
		if known {
			h.Since = pageTime
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		change func(s *web.Status)
		class  string
		want   string
	}{
		{"all is well", func(*web.Status) {}, "good", "Ready. Requests are answered."},
		{"not checked", func(s *web.Status) { s.Relays = relays(web.Unknown, web.Unknown) }, "good", "Ready. Requests are answered."},
		{"no hosts known", func(s *web.Status) { s.Links[0].Hosts = nil }, "good", "Ready. Requests are answered."},
		{"link down", func(s *web.Status) {
			s.Links[0], s.Unready = web.Link{Problem: "refused", Cure: "start it"}, "there is no connection: refused; to do: start it"
		}, "bad", "Not connected to the XMPP server."},
		{"standing by", func(s *web.Status) {
			s.Links = []web.Link{{Standby: true, JID: "turn.example.org", Problem: "standing by: another one exists", Cure: "nothing"}}
		}, "warn", "Standing by. The XMPP server has another connection for turn.example.org. This instance takes over when that one ends."},
		{"one of two links stands by", func(s *web.Status) { s.Links = append(s.Links, web.Link{Name: "shard-2", Standby: true}) }, "warn", "Standing by at 1 of 2 XMPP servers. They have another connection for us: shard-2."},
		{"one stands by and one is down", func(s *web.Status) {
			s.Links = append(s.Links, web.Link{Name: "shard-2", Standby: true}, web.Link{Name: "shard-3"})
		}, "warn", "Not connected to 1 of 3 XMPP servers. Without a connection: shard-3."},
		{"nobody asks", func(s *web.Status) { s.Links[0].Hosts = []web.Host{host(false, true), host(false, true)} }, "bad", "Connected, but nobody asks us. No host forwards the requests of its users."},
		{"link down and nobody asks", func(s *web.Status) { s.Links[0].Up, s.Links[0].Hosts = false, []web.Host{host(false, true)} }, "bad", "Not connected to the XMPP server."},
		{"one does not forward", func(s *web.Status) { s.Links[0].Hosts = append(s.Links[0].Hosts, host(false, true)) }, "warn", "1 of 2 hosts does not forward requests."},
		{"two do not forward", func(s *web.Status) { s.Links[0].Hosts = append(s.Links[0].Hosts, host(false, true), host(false, true)) }, "warn", "2 of 3 hosts do not forward requests."},
		{"not known of all yet", func(s *web.Status) { s.Links[0].Hosts = []web.Host{host(false, true), host(false, false)} }, "good", "Ready. Requests are answered."},
		{"one of two links down", func(s *web.Status) { s.Links = append(s.Links, web.Link{Name: "shard-2"}) }, "warn", "Not connected to 1 of 2 XMPP servers. Without a connection: shard-2."},
		{"all links down", func(s *web.Status) { s.Links = []web.Link{{Name: "shard-1"}, {Name: "shard-2"}} }, "bad", "Not connected to any XMPP server."},
		{"hosts of several links", func(s *web.Status) {
			s.Links = append(s.Links, web.Link{Up: true, Hosts: []web.Host{host(false, true)}}, web.Link{Up: true, Hosts: []web.Host{host(false, true), host(false, false)}})
		}, "warn", "1 of 2 hosts does not forward requests."},
		{"lost TURN", func(s *web.Status) { s.LostTURN = pageTime.Add(-5 * time.Minute) }, "bad", "No TURN server is offered. The last one was lost 5 min ago; calls that need a relay fail."},
		{"unready for another reason", func(s *web.Status) { s.Unready = "there is nothing to offer" }, "bad", "Not ready. There is nothing to offer."},
		{"3 of 5 work", func(s *web.Status) { s.Relays = relays(web.Healthy, web.Sick, web.Healthy, web.Refusing, web.Impaired) }, "warn", "3 of 5 servers work."},
		{"1 of 2 works", func(s *web.Status) { s.Relays = relays(web.Healthy, web.Sick, web.Unknown) }, "warn", "1 of 2 servers works."},
		{"none works", func(s *web.Status) { s.Relays = relays(web.Sick, web.Refusing) }, "bad", "No server works. 2 were checked."},
		{"the one does not work", func(s *web.Status) { s.Relays = relays(web.Sick) }, "bad", "No server works. 1 was checked."},
		{"none works, one is tried", func(s *web.Status) { s.Relays = relays(web.Sick, web.Undecided) }, "bad", "No server works. 2 were checked."},
		{"one is down, one tried", func(s *web.Status) { s.Relays = relays(web.Sick, web.Undecided, web.Healthy) }, "warn", "1 of 3 servers works."},
		{"one lost packet", func(s *web.Status) { s.Relays = relays(web.Healthy, web.Undecided) }, "good", "Ready. Requests are answered."},
		{"none has answered yet", func(s *web.Status) { s.Relays = relays(web.Undecided, web.Undecided) }, "warn", "No server has answered yet. They are being tried again."},
		{"one needs attention", func(s *web.Status) { s.Relays = relays(web.Healthy, web.Impaired) }, "warn", "1 of 2 servers needs attention."},
		{"all need attention", func(s *web.Status) { s.Relays = relays(web.Impaired, web.Impaired) }, "warn", "2 of 2 servers need attention."},
		{"a provider gives nothing", func(s *web.Status) {
			s.Providers = []web.Provider{{Name: "a", Asked: true}, {Name: "b", OK: true, Asked: true}, {Name: "c"}, {Name: "d", PerUser: true, Asked: true}}
		}, "warn", "1 of 4 providers has given no credential."},
		{"two providers give nothing", func(s *web.Status) {
			s.Providers = []web.Provider{{Name: "a", Asked: true}, {Name: "b", Asked: true}}
		}, "warn", "2 of 2 providers have given no credential."},
		{"a relay alone", func(s *web.Status) {
			s.Links, s.Relay = nil, &web.OwnRelay{CertificateExpires: pageTime.Add(14 * 24 * time.Hour)}
		}, "good", "Ready. The relay runs."},
		{"the relay is off", func(s *web.Status) { s.Relay = &web.OwnRelay{Off: true} }, "bad", "The relay is off. Calls that need it fail; the log says why."},
		{"the relay's certificate ends soon", func(s *web.Status) {
			s.Relay = &web.OwnRelay{CertificateExpires: pageTime.Add(3 * 24 * time.Hour)}
		}, "warn", "The relay's certificate expires in 3 days."},
		{"the relay's certificate has ended", func(s *web.Status) {
			s.Relay = &web.OwnRelay{CertificateExpires: pageTime, CertificateError: "no file"}
		}, "bad", "The relay's certificate has expired. Nobody can connect over TLS."},
		{"the relay's certificate is unreadable", func(s *web.Status) {
			s.Relay = &web.OwnRelay{CertificateExpires: pageTime.Add(60 * 24 * time.Hour), CertificateError: "no file"}
		}, "warn", "The relay's certificate cannot be read again. The one before stays in use."},
		{"the relay drains", func(s *web.Status) { s.Relay = &web.OwnRelay{Draining: true} }, "warn", "The relay is about to end. It makes no new allocations."},
		{"faults in the configuration", func(s *web.Status) { s.Config.OK = false }, "warn", "The configuration has faults. The previous one stays in force."},
		{"several", func(s *web.Status) {
			s.Config.OK, s.Relays, s.LostTURN = false, relays(web.Healthy, web.Sick), pageTime.Add(-time.Second)
			s.Links[0].Hosts = append(s.Links[0].Hosts, host(false, true))
		}, "bad", "No TURN server is offered. The last one was lost 1 s ago; calls that need a relay fail. 1 of 2 hosts does not forward requests. 1 of 2 servers works. The configuration has faults. The previous one stays in force."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s)
			page, _ := shown(t, s)
			if class, text := banner(t, page); class != tt.class || text != tt.want {
				t.Errorf("%s %q\nwant %s %q", class, text, tt.class, tt.want)
			}
			first, _, _ := strings.Cut(tt.want, ".")
			if !strings.Contains(page, "<title>"+html.EscapeString(first)+" · extdisco</title>") {
				t.Errorf("the title is not %q", first)
			}
			ready := ask(t, newSite(&backend{status: s, unready: s.Unready}, new(bytes.Buffer)), "GET", "/readyz", "")
			switch {
			case s.Unready != "":
				if ready.Code != 503 || ready.Body.String() != "not ready: "+s.Unready+"\n" {
					t.Errorf("readyz: %d %q", ready.Code, ready.Body)
				}
			case tt.class == "good":
				if ready.Code != 200 || ready.Body.String() != "ready\n" {
					t.Errorf("readyz: %d %q", ready.Code, ready.Body)
				}
			default:
				lines := strings.Split(strings.TrimSpace(ready.Body.String()), "\n")
				if ready.Code != 200 || lines[0] != "ready" || strings.Join(lines[1:], " ") != tt.want {
					t.Errorf("readyz: %d %q", ready.Code, ready.Body)
				}
			}
		})
	}
}

func TestPageShows(t *testing.T) {
	minutes := make([]web.Minute, 60)
	minutes[0], minutes[59] = web.Minute{Answered: 3, Refused: 1}, web.Minute{Failed: 2}
	for _, tt := range []struct {
		name   string
		change func(s *web.Status)
		want   []string // in the text
		not    []string
	}{
		{"facts", func(*web.Status) {}, []string{"Version 1.2.3, started 1 h 30 min ago", "up, connected 30 s ago", "turn.example.org at 127.0.0.1:5347", "in force, read 3 days ago", "config.toml", "As of 2026-11-21 04:00:00 UTC"},
			[]string{"To do", "Recent problems", "Providers", "Refused requesters", "These are not checked"}},
		{"secret that rotates", func(s *web.Status) {
			s.Rotations = []web.Rotation{{Config: "ice_server[1]", Kind: "postgres", Realm: "turn.example.org", Rotated: pageTime.Add(-3 * time.Minute), Next: pageTime.Add(30 * 24 * time.Hour), Waiting: true, Looked: pageTime.Add(-20 * time.Second), Note: "its clock is wrong"}}
		}, []string{"Secrets that rotate", "turn.example.org ice_server[1]", "changed 3 min ago", "the one before is in use", "postgres: answered 20 s ago", "its clock is wrong"}, []string{"postgres: does not answer", "To do"}},
		{"database of secrets away", func(s *web.Status) {
			s.Rotations = []web.Rotation{{Kind: "redis", Realm: "turn.example.org", Error: "connection refused", Cure: "start it"}}
		}, []string{"Secret Database", "none", "redis: does not answer connection refused To do: start it"}, []string{"changed", "redis: answered"}},
		{"never connected", func(s *web.Status) {
			s.Links[0] = web.Link{Problem: "refused", Cure: "start it", Error: "ECONNREFUSED"}
		}, []string{"down at", "refused (ECONNREFUSED) To do: start it"}, []string{"lost", "never"}},
		{"standing by", func(s *web.Status) {
			s.Links = []web.Link{{Standby: true, JID: "turn.example.org", Server: "a:1", Problem: "standing by: another one exists", Cure: "nothing"}}
		}, []string{"standing by turn.example.org at a:1", "To do: nothing"}, []string{"down", "lost"}},
		{"lost the link", func(s *web.Status) { s.Links[0].Up = false }, []string{"down, lost 30 s ago"}, []string{"To do"}},
		{"faults", func(s *web.Status) { s.Config.OK = false }, []string{"has faults, read 3 days ago", "To do: run extdisco check, correct what it lists, and reload."}, nil},
		{"a host that forwards", func(*web.Status) {}, []string{"Hosts Host Forwards requests example.org yes, by delegation since 30 s ago"}, nil},
		{"hosts", func(s *web.Status) {
			s.Links[0].Hosts = []web.Host{{Name: "a.example", Since: pageTime, Cure: "load the module"}, {Name: "b.example", Since: pageTime, Cure: "load the module"}, {Name: "c.example", Cure: "wait"}, {Name: "d.example", Forwards: true, Cure: "none", Since: pageTime}}
		}, []string{"a.example no since 0 s ago", "b.example no", "c.example not known yet", "d.example yes since", "To do: load the module"}, []string{"To do: load the module To do: load", "To do: none"}},
		{"no link", func(s *web.Status) { s.Links = nil }, []string{"none; this process is a relay, for credentials that another one gives out"}, []string{"Hosts"}},
		{"a server that works", func(*web.Status) {}, []string{"turn:one.example.org:3478 one for each user works checked 5 s ago answers in 1 ms"}, nil},
		{"servers", func(s *web.Status) {
			s.Checks = false
			s.Relays = []web.Relay{{URL: "a:", Health: web.Refusing, Detail: "401", Cure: "compare the secrets"}, {URL: "b:", Health: web.Impaired}, {URL: "c:", Health: web.Undecided, Failures: 1, Detail: "no answer"},
				{URL: "d:", Health: web.Undecided, Failures: 2}, {URL: "e:", Health: web.Undecided, Failures: 3}, {URL: "f:", Health: web.Unknown}, {URL: "g:", Health: web.Undecided}}
		}, []string{"a: refuses our credentials 401 To do: compare the secrets", "b: works, needs attention", "c: failed once, trying again no answer", "d: failed twice, trying again", "e: failed 3 times, trying again", "f: not checked", "g: trying again", "These are not checked"}, []string{"not known yet", "1970", "0001"}},
		{"no server", func(s *web.Status) { s.Relays = nil }, []string{"None at present; see the providers."}, nil},
		{"providers", func(s *web.Status) {
			s.Providers = []web.Provider{{Name: "cloudflare", Config: "ice_server[2]", Asked: true, OK: true, Fetched: pageTime.Add(-time.Hour), Expires: pageTime.Add(23 * time.Hour)},
				{Name: "http", PerUser: true}, {Name: "twilio", Asked: true, Expires: pageTime.Add(-time.Hour), Error: "403 Forbidden"}, {Name: "xirsys"}}
		}, []string{"cloudflare ice_server[2] valid, fetched 1 h ago, expire in 23 h answered", "http fetched for each requester none yet", "twilio no longer given out, expire 1 h ago failed 403 Forbidden To do: look this up in docs/providers.md", "xirsys none none yet"}, nil},
		{"requests", func(s *web.Status) { s.Hour = minutes }, []string{"59 min ago: 3 answered, 1 refused, 0 failed", "0 min ago: 0 answered, 0 refused, 2 failed", "3 answered, 1 refused, 2 failed in the last hour; at most 4 in a minute.", "4 2 0", "60 min ago 30 min ago now"}, []string{"30 min ago: 0"}},
		{"no requests", func(s *web.Status) { s.Hour = nil }, []string{"0 answered, 0 refused, 0 failed in the last hour; at most 0 in a minute.", "2 1 0"}, nil},
		{"refused requesters", func(s *web.Status) {
			s.Refused = []web.Refusal{{Domain: "guest.example.org", Reason: "not in access.allow", Cure: "add it", Times: 12, Last: pageTime.Add(-time.Minute)}}
		}, []string{"Refused requesters Domain Requests Reason guest.example.org 12, last 1 min ago not in access.allow To do: add it"}, nil},
		{"problems", func(s *web.Status) {
			s.Problems = []web.Problem{{First: pageTime.Add(-time.Hour), Last: pageTime, Times: 4, IsError: true, Message: "it is broken", Cure: "mend it", Details: "server: x"}, {Last: pageTime, First: pageTime, Times: 1, Message: "it creaks"}}
		}, []string{"Recent problems Error: it is broken server: x To do: mend it 0 s ago, 4 times since 1 h ago Warning: it creaks 0 s ago"}, []string{"1 times"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s)
			_, text := shown(t, s)
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("the page says %q", not)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// What is the case now stands where it belongs, and not among the problems too.
func TestPageSaysThingsOnce(t *testing.T) {
	const linkCure, relayCure, failure = "start the XMPP server", "open the port", "403 the token is wrong"
	problem := func(cure, details string) web.Problem {
		return web.Problem{Message: "something happened", Cure: cure, Details: details, First: pageTime, Last: pageTime, Times: 1}
	}
	fromLink := problem(linkCure, "err: refused")
	fromLink.Link = "shard-2"
	for _, tt := range []struct {
		name    string
		problem web.Problem
		change  func(s *web.Status)
		listed  bool
	}{
		{"link that is down", problem(linkCure, "err: refused"), func(s *web.Status) { s.Links[0] = web.Link{Problem: "refused", Cure: linkCure} }, false},
		{"link that was down", problem(linkCure, "err: refused"), func(*web.Status) {}, true},
		{"link that is down, of several", fromLink, func(s *web.Status) {
			s.Links = append(s.Links, web.Link{Name: "shard-2", Problem: "refused", Cure: linkCure})
		}, false},
		{"another link that is down", fromLink, func(s *web.Status) {
			s.Links = append(s.Links, web.Link{Name: "shard-3", Problem: "refused", Cure: linkCure})
		}, true},
		{"something without a cure while the link is down", problem("", "x"), func(s *web.Status) { s.Links[0] = web.Link{} }, true},
		{"something else while the link is down", problem("another", "x"), func(s *web.Status) { s.Links[0] = web.Link{Problem: "refused", Cure: linkCure} }, true},
		{"server that is down", problem(relayCure, "server: turn:one.example.org:3478; err: no answer"), func(s *web.Status) { s.Relays[0].Health, s.Relays[0].Cure = web.Sick, relayCure }, false},
		{"server that was down", problem(relayCure, "server: turn:one.example.org:3478; err: no answer"), func(*web.Status) {}, true},
		{"another server", problem(relayCure, "server: turn:two.example.org; err: no answer"), func(s *web.Status) { s.Relays[0].Health, s.Relays[0].Cure = web.Sick, relayCure }, true},
		{"another fault of the server", problem("another", "server: turn:one.example.org:3478"), func(s *web.Status) { s.Relays[0].Health, s.Relays[0].Cure = web.Sick, relayCure }, true},
		{"provider that fails", problem("", "provider: http; err: "+failure), func(s *web.Status) { s.Providers = []web.Provider{{Name: "http", Error: failure}} }, false},
		{"provider that failed", problem("", "provider: http; err: "+failure), func(s *web.Status) { s.Providers = []web.Provider{{Name: "http"}} }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			s.Problems = []web.Problem{tt.problem}
			tt.change(&s)
			_, text := shown(t, s)
			if listed := strings.Contains(text, "something happened"); listed != tt.listed {
				t.Errorf("listed: %t\n%s", listed, text)
			}
			for _, cure := range []string{linkCure, relayCure, failure} {
				if !tt.listed && strings.Count(text, cure) > 1 {
					t.Errorf("%q stands there %d times", cure, strings.Count(text, cure))
				}
			}
		})
	}
}

// First comes what is wrong, last what can be tried.
func TestPageOrder(t *testing.T) {
	s := well()
	s.Problems = []web.Problem{{Message: "x"}}
	s.Providers = []web.Provider{{Name: "http"}}
	page, _ := shown(t, s)
	var order []string
	for _, m := range regexp.MustCompile(`<h2 id="(\w+)"`).FindAllStringSubmatch(page, -1) {
		order = append(order, m[1])
	}
	if got := strings.Join(order, " "); got != "state problems hosts relays providers requests try" {
		t.Errorf("the order is %s", got)
	}
}

// Bars fill the scale as their minutes have requests, and what was refused is seen
// beside much that was answered.
func TestPlot(t *testing.T) {
	rect := regexp.MustCompile(`<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"`)
	for _, tt := range []struct {
		name string
		hour []web.Minute
		want []string // CLASS X Y WIDTH HEIGHT
	}{
		{"empty", make([]web.Minute, 60), nil},
		{"half the scale", []web.Minute{{}, {Answered: 2}, {Answered: 1, Refused: 1, Failed: 2}}, []string{
			"answered 200 60 198 60", "answered 400 90 198 30", "refused 400 60 198 30", "failed 400 0 198 60"}},
		{"one failure among many", []web.Minute{{Answered: 1, Failed: 999}}, []string{"answered 0 117 598 3", "failed 0 0 598 117"}},
		{"one refusal among many", []web.Minute{{Answered: 999, Refused: 1}}, []string{"answered 0 3 598 117", "refused 0 0 598 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			s.Hour = tt.hour
			page, _ := shown(t, s)
			var got []string
			for _, m := range rect.FindAllStringSubmatch(page, -1) {
				got = append(got, strings.Join(m[1:], " "))
			}
			if strings.Join(got, ",") != strings.Join(tt.want, ",") {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestScale(t *testing.T) {
	for most, want := range map[int]string{0: "2 1 0", 2: "2 1 0", 3: "4 2 0", 5: "10 5 0", 10: "10 5 0", 11: "20 10 0", 999: "1000 500 0"} {
		s := well()
		s.Hour = []web.Minute{{Answered: most}}
		if _, text := shown(t, s); !strings.Contains(text, " "+want+" ") {
			t.Errorf("at most %d: the scale is not %s: %s", most, want, text)
		}
	}
}

// Without a token there is nothing to press.
func TestPageWithoutAToken(t *testing.T) {
	s := web.New(web.Config{Metrics: someMetrics, Backend: &backend{status: well()}, Log: slog.New(slog.DiscardHandler)}, time.Now())
	page := ask(t, s, "GET", "/", "").Body.String()
	if strings.Contains(page, "<form") || !strings.Contains(page, "set <code>http.token_file</code>") {
		t.Errorf("the page offers what cannot be: %s", page)
	}
	for _, given := range []string{"", "x"} {
		if w := ask(t, s, "POST", "/try", "", "Authorization: Bearer "+given); w.Code != 403 || !strings.Contains(w.Body.String(), "http.token_file") {
			t.Errorf("token %q: %d %s", given, w.Code, w.Body)
		}
	}
}

func TestSpansOfTime(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		0: "0 s ago", 59 * time.Second: "59 s ago", time.Minute: "1 min ago", 59*time.Minute + 59*time.Second: "59 min ago", time.Hour: "1 h ago",
		61 * time.Minute: "1 h 1 min ago", 47*time.Hour + 59*time.Minute: "47 h 59 min ago", 48 * time.Hour: "2 days ago", 71 * time.Hour: "2 days ago", 72 * time.Hour: "3 days ago",
		-time.Hour: "in 1 h", -30 * time.Second: "in 30 s",
	} {
		s := well()
		s.Started = pageTime.Add(-ago)
		if _, text := shown(t, s); !strings.Contains(text, "started "+want+" ") {
			t.Errorf("%v: not %q", ago, want)
		}
	}
	s := well()
	s.Started = time.Time{}
	if _, text := shown(t, s); !strings.Contains(text, "started never") {
		t.Error("no time is told as one")
	}
}

func TestRelaySection(t *testing.T) {
	s := well()
	s.Relay = &web.OwnRelay{
		Addresses: []string{"203.0.113.5"}, Users: 2, Ports: 16384, PortsInUse: 3, SmallBuffer: 212992, CertificateExpires: pageTime,
		Transports:       []web.OwnRelayTransport{{Name: "udp", Allocations: 2, BytesIn: 1_500_000, BytesOut: 999}, {Name: "tcp", Allocations: 1}},
		CertificateError: "they do not match",
	}
	_, text := shown(t, s)
	for _, want := range []string{
		"3 allocations of 2 users at 203.0.113.5 ; 3 of 16384 ports are taken.", "1.5 MB from clients, 999 bytes to them", "Certificate good until 2026-11-21",
		"could not be read again : they do not match", "212992 bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	const ends = "It is about to end"
	if strings.Contains(text, ends) {
		t.Error("a relay is said to end that does not")
	}
	s.Relay.Draining = true
	if _, text := shown(t, s); !strings.Contains(text, ends) {
		t.Errorf("no %q in %s", ends, text)
	}
	if _, text := shown(t, well()); strings.Contains(text, "Clients over") {
		t.Error("a relay is shown that does not run")
	}
}

func TestPageWithSeveralLinks(t *testing.T) {
	s := well()
	s.Links[0].Name = "shard-1"
	s.Links = append(s.Links, web.Link{Name: "shard-2", JID: "turn.example.org", Server: "192.0.2.2:5347", Problem: "refused", Cure: "start it", Hosts: []web.Host{{Name: "example.org"}}})
	s.Problems = []web.Problem{{Message: "something happened", Link: "shard-2", First: pageTime, Last: pageTime, Times: 1}}
	_, text := shown(t, s)
	for _, part := range []string{
		"Links to XMPP servers 1 of 2 up",
		"Link State shard-1 up, connected 30 s ago turn.example.org at 127.0.0.1:5347 shard-2 down turn.example.org at 192.0.2.2:5347 refused To do: start it",
		"Host Link Forwards requests example.org shard-1 yes, by delegation since 30 s ago example.org shard-2 not known yet",
		"Warning of shard-2: something happened",
		"Requests and limits are counted by this instance alone, for all its links together.",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
	s.Links[0].Up = false
	if _, text := shown(t, s); !strings.Contains(text, "all 2 down") {
		t.Error(text)
	}
}

func TestPageWithoutLink(t *testing.T) {
	s := well()
	s.Links = nil
	page, text := shown(t, s)
	if class, says := banner(t, page); class != "good" {
		t.Errorf("banner %s: %s", class, says)
	}
	if !strings.Contains(text, "none; this process is a relay, for credentials that another one gives out") || strings.Contains(text, "Requests in the last hour") {
		t.Error(text)
	}
}

package component_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
)

const hostsOnlyNS = "for:hosts"

// withHostsOnly adds a namespace for hosts, and an observer.
func withHostsOnly(o component.Observer) func(*running, *component.Config) {
	return func(_ *running, cfg *component.Config) {
		cfg.Namespaces = append(cfg.Namespaces, component.Namespace{NS: hostsOnlyNS, Handler: new(component.TestHandler), HostsOnly: true})
		cfg.Observer = o
	}
}

// hostLine is the warning about hosts that forward nothing.
const hostLine = "hosts of component.hosts forward no requests"

func TestSilentHostsAreWarnedOfOnce(t *testing.T) {
	o := new(observed)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		go s.rest()
		time.Sleep(10*time.Second - 1)
		r.wantLogged(0, hostLine)
		time.Sleep(time.Nanosecond)
		r.wantLogged(1, "level=WARN", hostLine, `hosts="meet.test guest.meet.test"`,
			`Component \"turn.meet.test\"`, `delegations = { [\"urn:xmpp:extdisco:2\"] = { jid = \"turn.meet.test\" } }`,
			"inside the VirtualHost", "bridge", "mod_delegation", "access rule", "acl", "component.hosts")
		for _, h := range r.component.Hosts() {
			if h.Route != component.HostSilent || !h.Overdue || !h.Since.IsZero() {
				t.Errorf("%+v", h)
			}
		}
		o.want(t, "up", "hosts meet.test none overdue, guest.meet.test none overdue")
		time.Sleep(20 * time.Second)
		r.wantLogged(1, hostLine)
		s.Close()

		s = r.next() // another connection, another warning
		s.accept(announcement)
		go s.rest()
		time.Sleep(11 * time.Second)
		r.wantLogged(2, hostLine)
		r.wantLogged(1, hostLine, "hosts=guest.meet.test")
		s.Close()
	}, withHostsOnly(o))
}

func TestHostsAreSeen(t *testing.T) {
	nesting := func(ns string) string {
		return "<iq type='get' id='n' from='" + component.TestHost + "' to='" + component.TestJID + "'>" +
			"<query xmlns='http://jabber.org/protocol/disco#info' node='urn:xmpp:delegation:2::" + ns + "'/></iq>"
	}
	feed := "<iq type='get' id='f' from='" + component.TestHost + "' to='" + component.TestJID + "'><feed xmlns='" + hostsOnlyNS + "'/></iq>"
	tests := []struct {
		name, stanza string
		want         component.HostRoute
		replies      int // end tags of them
	}{
		{"an announcement", announcement, component.HostDelegates, 0},
		{"disco nesting", nesting(component.TestNS), component.HostDelegates, 1},
		{"disco nesting for bare JIDs", strings.Replace(nesting(component.TestNS), "2::", "2:bare:", 1), component.HostDelegates, 1},
		{"a forwarded request", forwardedRequest, component.HostDelegates, 2},
		{"a forwarded request on the slow path", strings.Replace(forwardedRequest, "<services", " <services", 1), component.HostDelegates, 2},
		{"a request for hosts only", feed, component.HostBridges, 1},
		{"a request to the host", strings.Replace(request, component.TestJID, component.TestHost, 1), component.HostRoutes, 1},
		{"a request of a user to us", request, component.HostSilent, 1},
		{"an announcement of another namespace", strings.Replace(announcement, component.TestNS, "urn:xmpp:mam:2", 1), component.HostSilent, 0},
		{"disco nesting of another namespace", nesting("urn:xmpp:mam:2"), component.HostSilent, 1},
		{"disco#info", strings.Replace(nesting(component.TestNS), " node='urn:xmpp:delegation:2::urn:xmpp:extdisco:2'", "", 1), component.HostSilent, 1},
		{"what a user forges", strings.Replace(forwardedRequest, "from='meet.test'", "from='juliet@meet.test/x'", 1), component.HostSilent, 1},
		{"an announcement of another host", strings.Replace(announcement, component.TestHost, "evil.test", 1), component.HostSilent, 0},
		{"disco nesting from a user", strings.Replace(nesting(component.TestNS), "from='meet.test'", "from='juliet@meet.test/x'", 1), component.HostSilent, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := new(observed)
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("")
				time.Sleep(time.Second)
				for range 3 {
					s.send(tt.stanza)
					for range tt.replies {
						s.expect("</iq>")
					}
				}
				synctest.Wait()
				h := r.component.Hosts()[0]
				if h.Host != component.TestHost || h.Route != tt.want || h.Overdue {
					t.Errorf("%+v, want %v", h, tt.want)
				}
				n := 0
				if tt.want != component.HostSilent {
					if n = 1; !h.Since.Equal(r.start.Add(time.Second)) {
						t.Errorf("since %v", h.Since)
					}
				}
				r.wantLogged(n, "level=INFO", "a host forwards requests", "host=meet.test", "route="+tt.want.String())
				r.wantLogged(n, "a host forwards requests")
				if other := r.component.Hosts()[1]; other != (component.HostState{Host: component.TestHost2}) {
					t.Errorf("the other host: %+v", other)
				}
				s.Close()
				r.next().accept("")
				synctest.Wait()
				if h := r.component.Hosts()[0]; h.Route != component.HostSilent || !h.Since.IsZero() {
					t.Errorf("on the next connection: %+v", h)
				}
			}, withHostsOnly(o))
		})
	}
}

func TestHostsTellTheLastRefusal(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		want := func(condition stanza.Condition) {
			t.Helper()
			synctest.Wait()
			h := r.component.Hosts()[0]
			if got, ok := h.Refusal.(stanza.Error); condition == "" && h.Refusal != nil || condition != "" && (!ok || got.Condition != condition || !h.RefusedAt.Equal(time.Now())) {
				t.Errorf("%+v, want %s", h, condition)
			}
		}
		ask := func(stanza string) {
			time.Sleep(time.Second)
			s.send(stanza)
			s.expect("</iq></forwarded></delegation></iq>")
		}
		stranger := strings.Replace(forwardedRequest, "juliet@meet.test", "eve@evil.test", 1)
		ask(forwardedRequest)
		want("")
		ask(stranger)
		want(stanza.Forbidden)
		ask(strings.Replace(forwardedRequest, "extdisco:1", "mam:2", 1))
		want(stanza.ServiceUnavailable)
		ask(strings.Replace(stranger, "<services", " <services", 1)) // on the slow path
		want(stanza.Forbidden)
		if h := r.component.Hosts()[1]; h.Refusal != nil {
			t.Errorf("the other host: %+v", h)
		}
		s.Close()
	})
}

// A namespace that nobody answers in is most likely misspelt.
func TestUnknownNamespacesAreWarnedOfOnce(t *testing.T) {
	const line = "a host delegates a namespace that is not answered here"
	inBubble(t, func(r *running) {
		s := r.next()
		for range 2 {
			s.accept(strings.Repeat(strings.Replace(announcement, component.TestNS, "urn:xmpp:extdisco:3", 1)+announcement, 3))
			for _, delegation := range []string{"urn:xmpp:delegation:1", "urn:xmpp:delegation:2"} {
				s.send("<iq type='get' id='n' from='" + component.TestHost + "' to='" + component.TestJID + "'>" +
					"<query xmlns='http://jabber.org/protocol/disco#info' node='" + delegation + "::urn:xmpp:extdisc:2'/></iq>")
				s.expect("item-not-found")
				s.expect("</iq>")
			}
			s.Close()
			s = r.next()
		}
		defer s.Close()
		r.wantLogged(2, "level=WARN", line, "host=meet.test", "namespace=urn:xmpp:extdisco:3", "misspelt")
		r.wantLogged(2, "level=WARN", line, "host=meet.test", "namespace=urn:xmpp:extdisc:2", "misspelt")
		r.wantLogged(4, line)
	})
}

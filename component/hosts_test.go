package component

import (
	"log/slog"
	"strings"
	"testing"
)

const hostsNS = "example:hosts"

// newHostsResponder answers hostsNS for hosts only. Its gate admits nobody.
func newHostsResponder(t testing.TB, h Handler, log *slog.Logger) *responder {
	cfg := ConfigFor(h, log)
	cfg.Namespaces = append(cfg.Namespaces, Namespace{NS: hostsNS, Handler: h, HostsOnly: true})
	cfg.Gate = accessGate{NewAccess(nil)}
	return responderOf(t, cfg)
}

func TestRespondToHostsOnly(t *testing.T) {
	const payload = "<feed xmlns='" + hostsNS + "'/>"
	direct := func(iqType, from, to string) string {
		return "<iq type='" + iqType + "' id='d1' from='" + from + "' to='" + to + "'>" + payload + "</iq>"
	}
	forbidden := "<error type='auth'><forbidden"
	tests := []struct {
		name, frame, want string
		calls             int64
	}{
		{"a trusted host", direct("get", TestHost, TestJID), TestPayload, 1},
		{"the other trusted host", direct("get", TestHost2, TestJID), TestPayload, 1},
		{"a user of a trusted host", direct("get", "juliet@"+TestHost+"/x", TestJID), forbidden, 0},
		{"a resource of a trusted host", direct("get", TestHost+"/x", TestJID), forbidden, 0},
		{"another host", direct("get", "evil.test", TestJID), forbidden, 0},
		{"nobody", "<iq type='get' id='d1' to='" + TestJID + "'>" + payload + "</iq>", forbidden, 0},
		{"the component itself", direct("get", TestJID, TestJID), forbidden, 0},
		{"a set", direct("set", TestHost, TestJID), "<error type='cancel'><service-unavailable", 0},
		{"forwarded by a trusted host", forwarded(nsDelegation2, strings.Replace(innerGet(payload), "juliet@meet.test/balcony", TestHost, 1)),
			"<error type='cancel'><service-unavailable", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(TestHandler)
			reply := respondTo(t, newHostsResponder(t, h, slog.New(slog.DiscardHandler)), tt.frame)
			if !strings.Contains(reply, tt.want) || h.Calls.Load() != tt.calls {
				t.Errorf("%d calls, reply %s", h.Calls.Load(), reply)
			}
			if tt.calls > 0 && h.requester != strings.Split(strings.Split(tt.frame, "from='")[1], "'")[0] {
				t.Errorf("the requester is %s", h.requester)
			}
		})
	}
}

func TestHostsOnlyIsNotAdvertised(t *testing.T) {
	r := newHostsResponder(t, new(TestHandler), slog.New(slog.DiscardHandler))
	for _, node := range []string{"", " node='" + nsDelegation2 + "::" + hostsNS + "'", " node='" + nsDelegation2 + ":bare:" + hostsNS + "'"} {
		reply := respondTo(t, r, "<iq type='get' id='d1' from='"+TestHost+"' to='"+TestJID+"'><query xmlns='"+nsInfo+"'"+node+"/></iq>")
		if strings.Contains(reply, "<feature var='"+hostsNS) || node != "" && !strings.Contains(reply, "item-not-found") {
			t.Errorf("node%s: %s", node, reply)
		}
	}
}

func TestUntrustedHostIsToldOnce(t *testing.T) {
	var log strings.Builder
	r := newHostsResponder(t, new(TestHandler), slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		respondTo(t, r, "<iq type='get' id='d1' from='corp.test' to='"+TestJID+"'><feed xmlns='"+hostsNS+"'/></iq>")
		respondTo(t, r, "<iq type='get' id='d1' from='mallory@evil.test/x' to='"+TestJID+"'><feed xmlns='"+hostsNS+"'/></iq>")
	}
	if n := strings.Count(log.String(), "add it to component.hosts"); n != 1 || !strings.Contains(log.String(), "corp.test") || strings.Contains(log.String(), "mallory") {
		t.Errorf("the log says:\n%s", log.String())
	}
}

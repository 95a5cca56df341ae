package component

import (
	"slices"
	"strings"
	"testing"
)

const (
	uDomain = "münchen.example"
	aDomain = "xn--mnchen-3ya.example"
)

func TestParseJIDKeepsTheSpelling(t *testing.T) {
	tests := []struct{ name, jid, want string }{
		{"ASCII", "turn.meet.test", "turn.meet.test"},
		{"capitals", "Turn.MEET.test", "turn.meet.test"},
		{"U-labels", "turn." + uDomain, "turn." + uDomain},
		{"U-labels in capitals", "TURN.MÜNCHEN.Example", "turn." + uDomain},
		{"decomposed", "turn.mu\u0308nchen.example", "turn." + uDomain},
		{"A-labels", "turn." + aDomain, "turn." + aDomain},
		{"A-labels in capitals", "turn.XN--MNCHEN-3YA.example", "turn." + aDomain},
		{"labels of both kinds", "zürich.xn--mnchen-3ya.example", "zürich.xn--mnchen-3ya.example"},
		{"an IP address", "192.0.2.1", "192.0.2.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseJID(tt.jid)
			if err != nil || got.String() != tt.want {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestNormalAddress(t *testing.T) {
	for address, want := range map[string]string{
		"Juliet@MEET.test":             "juliet@meet.test",
		"Jürgen@" + aDomain:            "jürgen@" + aDomain,
		"JÜRGEN@München.example":       "jürgen@" + uDomain,
		"my_host":                      "my_host",
		"U@My_Host":                    "u@my_host",
		"XN--nothing-at-all--.EXAMPLE": "xn--nothing-at-all--.example",
	} {
		if got := NormalAddress(address); got != want {
			t.Errorf("%s becomes %s, want %s", address, got, want)
		}
	}
}

func TestSpellings(t *testing.T) {
	tests := []struct {
		name, address string
		want          []string
	}{
		{"ASCII", "meet.test", []string{"meet.test"}},
		{"U-labels", uDomain, []string{uDomain, aDomain}},
		{"A-labels", aDomain, []string{aDomain, uDomain}},
		{"user", "juliet@" + uDomain, []string{"juliet@" + uDomain, "juliet@" + aDomain}},
		{"labels of both kinds", "zürich." + aDomain, []string{"zürich." + aDomain, "xn--zrich-kva." + aDomain, "zürich." + uDomain}},
		{"underscore", "my_host", []string{"my_host"}},
		{"underscore and U-label", "my_host." + uDomain, []string{"my_host." + uDomain, "my_host." + aDomain}},
		{"no A-label at all", "xn--nothing-at-all--.example", []string{"xn--nothing-at-all--.example"}},
		{"A-label of ASCII", "xn--meet-.test", []string{"xn--meet-.test"}}, // or it would be meet.test
		// GO-2026-5026: golang.org/x/net before 0.57 reads xn--meet- as "meet".
		{"A-label of ASCII beside a U-label", "xn--meet-." + uDomain, []string{"xn--meet-." + uDomain}},
		{"user whose name looks like a domain", uDomain + "@meet.test", []string{uDomain + "@meet.test"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := spellings(tt.address); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestAccessInEitherSpelling(t *testing.T) {
	for _, given := range []string{uDomain, aDomain} {
		access := NewAccess([]string{given, "romeo@elsewhere." + given})
		for _, asked := range []string{uDomain, aDomain} {
			for requester, want := range map[string]bool{
				"juliet@" + asked: true, asked: true, "romeo@elsewhere." + asked: true,
				"tybalt@elsewhere." + asked: false, "juliet@x" + asked: false, "juliet@" + asked + ".": false,
			} {
				if got := access.Allows([]byte(requester)); got != want {
					t.Errorf("of %s, Allows(%s) = %v", given, requester, got)
				}
			}
		}
	}
}

// Whatever spelling of jid and host the administrator and the server use, requests
// are answered in the server's.
func TestRespondInEitherSpelling(t *testing.T) {
	for _, given := range []string{uDomain, aDomain} {
		for _, served := range []string{uDomain, aDomain} {
			t.Run(given+" "+served, func(t *testing.T) {
				cfg := ConfigFor(new(TestHandler), discardLog)
				cfg.JID, cfg.Hosts = "turn."+given, []string{given}
				cfg.Gate = accessGate{NewAccess([]string{given})}
				r := responderOf(t, cfg)
				swap := strings.NewReplacer("meet.test", served)
				for name, frame := range map[string]string{
					"direct":                   directly(ask),
					"direct, slow":             directly(" " + ask),
					"ping":                     directly("<ping xmlns='urn:xmpp:ping'/>"),
					"forwarded":                forwarded(nsDelegation2, innerGet(ask)),
					"forwarded, slow":          forwarded(nsDelegation1, innerGet(" "+ask)),
					"forwarded to the account": forwarded(nsDelegation1, strings.Replace(innerGet(ask), "to='meet.test'", "to='juliet@meet.test'", 1)),
					"to the host":              strings.Replace(directly(ask), TestJID, TestHost, 1),
				} {
					reply := respondTo(t, r, swap.Replace(frame))
					outer, inner := conditionOf(t, reply)
					if outer != "result" || inner != "" && inner != "result" {
						t.Errorf("%s: %s", name, reply)
					}
					if other := map[string]string{uDomain: aDomain, aDomain: uDomain}[served]; strings.Contains(reply, other) {
						t.Errorf("%s is answered in another spelling: %s", name, reply)
					}
				}
				if states := r.c.Hosts(); len(states) != 1 || states[0].Host != given || states[0].Route == HostSilent {
					t.Errorf("the hosts are %+v", states)
				}
			})
		}
	}
}

package xep0215_test

import (
	"encoding/xml"
	"reflect"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/xep0215"
)

func parsePush(payload string) ([]xep0215.Service, error) {
	return xep0215.ParsePush(xml.NewDecoder(strings.NewReader(payload)))
}

func TestChanges(t *testing.T) {
	stun := service(t, "stun:stun.example.org")
	turn := with(service(t, "turn:turn.example.org"), "u", "p", inAnHour)
	change := func(s xep0215.Service, f func(*xep0215.Service)) xep0215.Service { f(&s); return s }
	act := func(s xep0215.Service, action string) xep0215.Service { s.Action = action; return s }
	gone := xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Action: "delete"}
	type list = []xep0215.Service
	tests := []struct {
		name       string
		told, now_ list
		want       list
	}{
		{"nothing", nil, nil, nil},
		{"the same", list{stun, turn}, list{stun, turn}, nil},
		{"another order", list{stun, turn}, list{turn, stun}, nil},
		{"host written in another way", list{turn}, list{change(turn, func(s *xep0215.Service) { s.Host = "TURN.example.org." })}, nil},
		{"the same instant in another zone", list{turn}, list{change(turn, func(s *xep0215.Service) { s.Expires = inAnHour.In(time.FixedZone("", 3600)) })}, nil},
		{"new", list{stun}, list{turn, stun}, list{act(turn, "add")}},
		{"first of all", nil, list{stun, turn}, list{act(stun, "add"), act(turn, "add")}},
		{"gone", list{turn, stun}, list{stun}, list{gone}},
		{"all gone, each named once", list{turn, turn}, nil, list{gone}},
		{"moved to another port", list{turn}, list{change(turn, func(s *xep0215.Service) { s.Port = 443 })},
			list{act(change(turn, func(s *xep0215.Service) { s.Port = 443 }), "add"), gone}},
	}
	for what, f := range map[string]func(*xep0215.Service){
		"username": func(s *xep0215.Service) { s.Username = "v" }, "password": func(s *xep0215.Service) { s.Password = "q" },
		"expires": func(s *xep0215.Service) { s.Expires = inAnHour.Add(time.Second) }, "restricted": func(s *xep0215.Service) { s.Restricted = false },
		"name": func(s *xep0215.Service) { s.Name = "n" }, "names": func(s *xep0215.Service) { s.Names = map[string]string{"de": "n"} },
		"info":             func(s *xep0215.Service) { s.Info = []xep0215.Field{{Var: "v"}} },
		"an earlier label": func(s *xep0215.Service) { s.Info = []xep0215.Field{{Label: "v"}} },
	} {
		tests = append(tests, struct {
			name       string
			told, now_ list
			want       list
		}{"another " + what, list{stun, turn}, list{stun, change(turn, f)}, list{act(change(turn, f), "modify")}})
	}
	info := func(f xep0215.Field) list {
		return list{change(turn, func(s *xep0215.Service) { s.Info = []xep0215.Field{f} })}
	}
	for what, f := range map[string]xep0215.Field{"var": {Var: "w"}, "type": {Var: "v", Type: "t"}, "label": {Var: "v", Label: "l"}, "values": {Var: "v", Values: []string{"1"}}} {
		tests = append(tests, struct {
			name       string
			told, now_ list
			want       list
		}{"another " + what + " of a field", info(xep0215.Field{Var: "v"}), info(f), list{act(info(f)[0], "modify")}})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := xep0215.Changes(tt.told, tt.now_)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("changes\n%v, want\n%v", got, tt.want)
			}
			// A client that applies them knows what is on offer now.
			known := xep0215.Apply(tt.told, got)
			if left := xep0215.Changes(known, tt.now_); left != nil {
				t.Errorf("afterwards a client knows %v, and not yet %v", known, left)
			}
		})
	}
}

func TestApply(t *testing.T) {
	a, b := service(t, "stun:a"), service(t, "stun:b")
	named := a
	named.Name = "n"
	act := func(s xep0215.Service, action string) xep0215.Service { s.Action = action; return s }
	type list = []xep0215.Service
	tests := []struct {
		name           string
		known, changes list
		want           list
	}{
		{"add", list{a}, list{act(b, "add")}, list{a, b}},
		{"add what is known", list{a, b}, list{act(named, "add")}, list{named, b}},
		{"modify", list{a, b}, list{act(named, "modify")}, list{named, b}},
		{"modify what is not known", list{b}, list{act(named, "modify")}, list{b, named}},
		{"no action", list{b}, list{a}, list{b, a}},
		{"unknown action", list{b}, list{act(a, "x")}, list{b, a}},
		{"delete", list{a, b}, list{act(a, "delete")}, list{b}},
		{"delete what is not known", list{b}, list{act(a, "delete")}, list{b}},
		{"one after the other", list{a}, list{act(a, "delete"), act(b, "add"), act(named, "add")}, list{b, named}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := append(list{}, tt.known...)
			if got := xep0215.Apply(tt.known, tt.changes); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("services\n%v, want\n%v", got, tt.want)
			}
			if !reflect.DeepEqual(tt.known, before) {
				t.Error("what was given has changed")
			}
		})
	}
}

func TestAppendPush(t *testing.T) {
	act := func(s xep0215.Service, action string) xep0215.Service { s.Action = action; return s }
	stun, turn := service(t, "stun:stun.example.org"), service(t, "turn:turn.example.org")
	named := with(namedService(t, "turn:turn.example.org"), "u'", "p<", time.Time{})
	named.Names, named.Info = nil, named.Info[2:]
	const (
		root     = "<services xmlns='urn:xmpp:extdisco:2'>"
		addSTUN  = "<service type='stun' host='stun.example.org' port='3478' transport='udp' action='add'/>"
		deleting = "<service type='turn' host='turn.example.org' port='3478' transport='udp' action='delete'/>"
		modified = "<service type='turn' host='turn.example.org' port='3478' transport='udp' action='modify' restricted='true' expires='2026-11-21T13:00:00Z' username='u' password='p'/>"
		info     = "<service type='turn' host='turn.example.org' port='3478' transport='udp' name='Relay' action='add' restricted='true' username='u&#39;' password='p&lt;'>" +
			"<x xmlns='jabber:x:data' type='result'><field var='none'></field></x></service>"
	)
	tests := []struct {
		name, serviceType string
		changes           []xep0215.Service
		want              string
	}{
		{"nothing", "", nil, ""},
		{"add", "", []xep0215.Service{act(stun, "add")}, root + addSTUN + "</services>"},
		{"each action, in order", "", []xep0215.Service{act(stun, "add"), act(with(turn, "u", "p", inAnHour), "modify"), act(turn, "delete")},
			root + addSTUN + modified + deleting + "</services>"},
		{"delete tells no credential", "", []xep0215.Service{act(with(turn, "u", "p", inAnHour), "delete")}, root + deleting + "</services>"},
		{"STUN has no credential", "", []xep0215.Service{act(with(stun, "u", "p", inAnHour), "add")}, root + addSTUN + "</services>"},
		{"type", "turn", []xep0215.Service{act(turn, "delete")}, "<services xmlns='urn:xmpp:extdisco:2' type='turn'>" + deleting + "</services>"},
		{"TURN without username", "", []xep0215.Service{act(with(turn, "", "p", inAnHour), "add"), act(stun, "add")}, root + addSTUN + "</services>"},
		{"TURN without password", "turn", []xep0215.Service{act(with(turn, "u", "", inAnHour), "modify")}, ""},
		{"name and information", "", []xep0215.Service{act(named, "add")}, root + info + "</services>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(xep0215.AppendPush([]byte("<iq>"), tt.serviceType, tt.changes))
			if got != "<iq>"+tt.want {
				t.Fatalf("push\n%s, want\n%s", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			read, err := parsePush(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if again := string(xep0215.AppendPush(nil, tt.serviceType, read)); again != tt.want {
				t.Errorf("a client reads\n%v, which is\n%s", read, again)
			}
		})
	}
}

func TestParsePush(t *testing.T) {
	got, err := parsePush(`<services xmlns='urn:xmpp:extdisco:2' type='turn'> <x/><service xmlns='urn:example' type='stun' host='evil.example.org'/>
		<service type='turn' host='a' action='remove'/><service type='turn' host='b' username='u' password='p'/></services>`)
	want := []xep0215.Service{{Type: "turn", Host: "a", Action: "delete"}, {Type: "turn", Host: "b", Username: "u", Password: "p"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("services %v, %v, want %v", got, err, want)
	}
	if got, err := parsePush(`<services xmlns='urn:xmpp:extdisco:2'/>`); got != nil || err != nil {
		t.Errorf("an empty push is %v, %v", got, err)
	}
	refused := []struct {
		name, payload string
		errorType     stanza.ErrorType
		condition     stanza.Condition
	}{
		{"nothing", ``, stanza.Modify, stanza.BadRequest},
		{"cut off", `<services xmlns='urn:xmpp:extdisco:2'>`, stanza.Modify, stanza.BadRequest},
		{"broken", `<services xmlns='urn:xmpp:extdisco:2'></x>`, stanza.Modify, stanza.BadRequest},
		{"version 1", `<services xmlns='urn:xmpp:extdisco:1'/>`, stanza.Cancel, stanza.ServiceUnavailable},
		{"credentials", `<credentials xmlns='urn:xmpp:extdisco:2'/>`, stanza.Cancel, stanza.ServiceUnavailable},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsePush(tt.payload)
			if got != nil {
				t.Errorf("services %v", got)
			}
			wantError(t, err, tt.errorType, tt.condition)
		})
	}
}

func FuzzParsePush(f *testing.F) {
	for _, s := range []string{
		`<services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='h' action='add' username='u' password='p'/></services>`,
		`<services xmlns='urn:xmpp:extdisco:2'><service type='stun' host='h' action='remove'><x xmlns='jabber:x:data'><field var='v'><value>]]&gt;</value></field></x></service></services>`,
		`<services/>`, ``, `<a`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		changes, err := parsePush(payload)
		if err != nil {
			if e, ok := err.(stanza.Error); !ok || e.Type == "" || e.Condition == "" {
				t.Fatalf("%v is no stanza error", err)
			}
			return
		}
		// Expiry dates beyond the year 9999 and fractions of seconds are not written.
		for i := range changes {
			changes[i].Expires = time.Time{}
		}
		push := xep0215.AppendPush(nil, "", changes)
		if len(push) == 0 {
			return
		}
		again, err := parsePush(string(push))
		if err != nil {
			t.Fatalf("%s cannot be read: %v", push, err)
		}
		if second := xep0215.AppendPush(nil, "", again); string(second) != string(push) {
			t.Fatalf("%s is read as %v, which is %s", push, again, second)
		}
	})
}

package xep0215_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/xep0215"
)

// namedService has a name, translations and extended information.
func namedService(t testing.TB, uri string) xep0215.Service {
	s := service(t, uri)
	s.Name = "Relay"
	s.Names = map[string]string{"de": "Umsetzer", "de-CH": "Umsetzer & Co", "pt-BR": "retransmissor", "zh-Hant": "中繼"}
	s.Info = []xep0215.Field{
		{Var: "FORM_TYPE", Type: "hidden", Values: []string{"urn:example:relay"}},
		{Var: "region", Type: "list-multi", Label: "Where it <is>", Values: []string{"eu", "a]]>b & 'c'"}},
		{Var: "none"},
	}
	return s
}

func TestNameIn(t *testing.T) {
	s := namedService(t, "turn:turn.example.org")
	for lang, want := range map[string]string{
		"": "Relay", "en": "Relay", "de": "Umsetzer", "DE": "Umsetzer", "de-AT": "Umsetzer", "de-CH": "Umsetzer & Co", "de-ch-1901": "Umsetzer & Co",
		"de-x-private": "Umsetzer", "pt": "Relay", "pt-br": "retransmissor", "pt-BR-u-co": "retransmissor", "zh-Hant-TW": "中繼", "zh-Hans": "Relay", "-": "Relay", "x-de": "Relay", "deu": "Relay",
	} {
		t.Run(lang, func(t *testing.T) {
			if got := s.NameIn(lang); got != want {
				t.Errorf("NameIn(%q) = %q, want %q", lang, got, want)
			}
			reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{},
				xep0215.Offer{Groups: []*xep0215.Group{xep0215.NewGroup(hourly(), s)}, Requester: juliet, Lang: lang, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			if got := readReply(t, reply).Services[0].Name; got != want {
				t.Errorf("in the reply the name is %q, want %q", got, want)
			}
		})
	}
}

// The names are in the language of the request, in every kind of reply.
func TestReplyLocalizesNames(t *testing.T) {
	stun, turn, plain := namedService(t, "stun:turn.example.org"), namedService(t, "turn:turn.example.org"), service(t, "turns:turn.example.org")
	plain.Name = "plain"
	group := xep0215.NewGroup(hourly(), stun, turn, plain)
	other := xep0215.NewGroup(nil, service(t, "stun:other.example.org"))
	hiding := group.Hide(func(k xep0215.Key) bool { return k.Type == "turns" })
	down := xep0215.NewGroup(failing(), stun, turn)
	all := "<services xmlns='urn:xmpp:extdisco:2'/>"
	tests := []struct {
		name, payload, stanzaLang string
		group                     *xep0215.Group
		want                      string
	}{
		{"no language", all, "", group, "Relay,Relay,plain,"},
		{"language of the stanza", all, "de", group, "Umsetzer,Umsetzer,plain,"},
		{"language of the payload", "<services xmlns='urn:xmpp:extdisco:2' xml:lang='de-AT'/>", "", group, "Umsetzer,Umsetzer,plain,"},
		{"the payload's goes first", "<services xmlns='urn:xmpp:extdisco:2' xml:lang='pt-BR'/>", "de", group, "retransmissor,retransmissor,plain,"},
		{"unknown language", all, "fr", group, "Relay,Relay,plain,"},
		{"a type", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", "DE", group, "Umsetzer"},
		{"credentials", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn'/></credentials>", "de", group, "Umsetzer"},
		{"all credentials", "<credentials xmlns='urn:xmpp:extdisco:2'/>", "de", group, "Umsetzer,plain"},
		{"hidden services stay so", all, "de", hiding, "Umsetzer,Umsetzer,"},
		{"without a credential", all, "de", down, "Umsetzer,"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request, err := parse(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			reply, err := new(xep0215.Handler).AppendReply(nil, request,
				xep0215.Offer{Groups: []*xep0215.Group{tt.group, other}, Requester: juliet, Lang: tt.stanzaLang, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range readReply(t, reply).Services {
				names = append(names, s.Name)
			}
			if got := strings.Join(names, ","); got != tt.want {
				t.Errorf("names %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFastLocalizesNames(t *testing.T) {
	o := xep0215.Offer{Groups: []*xep0215.Group{xep0215.NewGroup(hourly(), namedService(t, "turn:turn.example.org"))}, Requester: juliet, Lang: "de", Now: now}
	var h xep0215.Handler
	for _, element := range fastRequests(xep0215.NS) {
		request, err := parse(element)
		if err != nil {
			t.Fatal(err)
		}
		slow, slowErr := h.AppendReply(nil, request, o)
		fast, fastErr := h.AppendFast(nil, xep0215.NS, []byte(element), o)
		if string(slow) != string(fast) || !reflect.DeepEqual(slowErr, fastErr) {
			t.Errorf("%s is answered with\n%s %v, not\n%s %v", element, fast, fastErr, slow, slowErr)
		}
	}
}

func TestReplyWithExtendedInformation(t *testing.T) {
	const (
		form = `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:example:relay</value></field>` +
			`<field var='region' type='list-multi' label='Where it &lt;is>'><value>eu</value><value>a]]&gt;b &amp; &#39;c&#39;</value></field>` +
			`<field var='none'></field></x></service>`
		stun = `<service type='stun' host='turn.example.org' port='3478' transport='udp' name='Relay'>` + form
		turn = `<service type='turn' host='turn.example.org' port='3478' transport='udp' name='Relay' restricted='true' username='u' password='p'>` + form
		bare = `<service type='turns' host='turn.example.org' port='5349' transport='tcp' restricted='true' username='u' password='p'/>`
	)
	want := []xep0215.Service{
		namedService(t, "stun:turn.example.org"),
		with(namedService(t, "turn:turn.example.org"), "u", "p", time.Time{}),
		with(service(t, "turns:turn.example.org"), "u", "p", time.Time{}),
	}
	h := handlerFor(offer{xep0215.NewGroup(account("u", "p"), want...)})
	for i := range want {
		want[i].Names = nil // one name is told
	}
	tests := []struct {
		name    string
		request xep0215.Request
		bytes   string
		want    []xep0215.Service
	}{
		{"everything", xep0215.Request{}, "<services xmlns='urn:xmpp:extdisco:2'>" + stun + turn + bare + "</services>", want},
		{"a type", xep0215.Request{Type: "turn"}, "<services xmlns='urn:xmpp:extdisco:2' type='turn'>" + turn + "</services>", want[1:2]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := h.reply(nil, tt.request, juliet, now)
			if err != nil {
				t.Fatal(err)
			}
			if string(reply) != tt.bytes {
				t.Errorf("reply\n%s, want\n%s", reply, tt.bytes)
			}
			if got := readReply(t, reply).Services; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("a client reads\n%v, want\n%v", got, tt.want)
			}
		})
	}
}

func TestServiceReadsExtendedInformation(t *testing.T) {
	field := []xep0215.Field{{Var: "v", Type: "fixed", Label: "l", Values: []string{"1", ""}}}
	const form = `<x xmlns='jabber:x:data' type='result'><field var='v' type='fixed' label='l'><value>1</value><value/></field></x>`
	tests := []struct {
		name, inside string
		want         []xep0215.Field
	}{
		{"nothing", ``, nil},
		{"a form", form, field},
		{"among others", `text<y/><x xmlns='urn:example'><field var='w'/></x>` + form + `<y/>`, field},
		{"two forms, the first counts", form + `<x xmlns='jabber:x:data'><field var='w'/></x>`, field},
		{"a form of another name", `<y xmlns='jabber:x:data'><field var='w'/></y>`, nil},
		{"an empty form", `<x xmlns='jabber:x:data'/>`, nil},
		{"elements that nobody knows", `<x xmlns='jabber:x:data'><title>t</title><field var='v'><desc/></field></x>`, []xep0215.Field{{Var: "v"}}},
		{"fields of another namespace", `<x xmlns='jabber:x:data'><field xmlns='urn:example' var='v'/></x>`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readList(t, `<services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='h'>`+tt.inside+`</service><service/></services>`)
			if len(got) != 2 || got[0].Host != "h" || !reflect.DeepEqual(got[0].Info, tt.want) {
				t.Errorf("services %v, want the information %v", got, tt.want)
			}
		})
	}
}

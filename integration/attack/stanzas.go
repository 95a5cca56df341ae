package main

import (
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	host      = "meet.example.org"
	component = "turn.meet.example.org"
)

// answer is what an attack is owed.
type answer int

const (
	mayBeAnswered  answer = iota // once, or not at all
	mustBeAnswered               // exactly once
)

// attack is a stanza that must not get a credential.
type attack struct {
	kind, id, stanza string
	answer           answer
}

// generator makes stanzas from a seed.
type generator struct {
	rand *rand.Rand
	next int
}

func newGenerator(seed uint64) *generator {
	return &generator{rand: rand.New(rand.NewPCG(seed, 215))}
}

func (g *generator) id(prefix string) string {
	g.next++
	return fmt.Sprintf("%s%d", prefix, g.next)
}

func (g *generator) pick(list ...string) string { return list[g.rand.IntN(len(list))] }

// trusted returns a request as the server forwards it for one of its users, who is
// to be served.
func (g *generator) trusted(user string) (id, stanza string) {
	id = g.id("ok")
	return id, delegation(id, host, "urn:xmpp:delegation:2", innerRequest("i", user+"@"+host+"/phone", host, services))
}

const services = "<services xmlns='urn:xmpp:extdisco:2'/>"

func innerRequest(id, from, to, payload string) string {
	return "<iq xmlns='jabber:client' type='get' id='" + id + "' from='" + from + "' to='" + to + "'>" + payload + "</iq>"
}

func delegation(id, from, ns, inner string) string {
	return "<iq type='set' id='" + id + "' from='" + from + "' to='" + component + "'><delegation xmlns='" + ns + "'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></delegation></iq>"
}

// hostile returns a stanza from somebody at domain, or in its name. Only a server that
// keeps no rules sends those that fromServer adds.
func (g *generator) hostile(domain string, fromServer bool) attack {
	kinds := []func(string) attack{g.stranger, g.forged, g.odd, g.noRequest}
	if fromServer {
		kinds = append(kinds, g.almostTrusted, g.strangerForwarded, g.broken)
	}
	return kinds[g.rand.IntN(len(kinds))](domain)
}

// stranger asks for himself.
func (g *generator) stranger(domain string) attack {
	id := g.id("x")
	return attack{"requests of strangers", id, g.request(id, "mallory@"+domain+g.resource(), component, g.payload()), mustBeAnswered}
}

// forged pretends to be a server that forwards a request of a user.
func (g *generator) forged(domain string) attack {
	id := g.id("x")
	from := g.pick(domain, "mallory@"+domain, "mallory@"+domain+"/"+host, host+"@"+domain)
	return attack{"forged delegations", id, delegation(id, from, g.namespace(), innerRequest("i", "victim@"+host+"/phone", host, g.payload())), mustBeAnswered}
}

// almostTrusted is forged in a name that looks like one that is trusted.
func (g *generator) almostTrusted(string) attack {
	id := g.id("x")
	from := g.pick("x"+host, host+".example", host+"/x", "victim@"+host, "example.org", component, " "+host, host+"&#x200b;", strings.Replace(host, ".", "&#x3002;", 1))
	return attack{"delegations in names that resemble the host's", id, delegation(id, from, g.namespace(), innerRequest("i", "victim@"+host+"/phone", host, services)), mayBeAnswered}
}

// strangerForwarded is a real delegation for somebody who is not to be served.
func (g *generator) strangerForwarded(domain string) attack {
	id := g.id("x")
	from := g.pick("mallory@"+domain, domain, "victim@"+host+"."+domain, "xn--meet-.example.org", host+"@"+domain+"/"+host)
	return attack{"delegations for strangers", id, delegation(id, host, g.namespace(), innerRequest("i", from, host, g.payload())), mustBeAnswered}
}

// broken has a real sender and a delegation that is none.
func (g *generator) broken(domain string) attack {
	id := g.id("x")
	request := innerRequest("i", "mallory@"+domain, host, services)
	inner := g.pick("", "text", "<a/>", request+request, "<iq/>", "<iq xmlns='jabber:server' from='victim@"+host+"'>"+services+"</iq>",
		"<message xmlns='jabber:client'/>", delegation("d", host, g.namespace(), request), strings.Repeat("<a>", 300)+strings.Repeat("</a>", 300),
		innerRequest("i", "mallory@"+domain, "other@"+host, services+services), "<![CDATA["+request+"]]>")
	return attack{"delegations that are none", id, delegation(id, host, g.namespace(), inner), mayBeAnswered}
}

// odd is a request of a kind that has taken down components.
func (g *generator) odd(domain string) attack {
	id := g.id("x") + g.pick("&lt;&amp;&apos;", "&#xa;&#x9;", strings.Repeat("x", 20_000), "\u3164", "é")
	payload := g.pick("", "<a/>", services+services, "<services xmlns='urn:xmpp:extdisco:2'>"+strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200)+"</services>",
		"<credentials xmlns='urn:xmpp:extdisco:2'>"+strings.Repeat("<service type='turn' host='127.0.0.1'/>", 1+g.rand.IntN(300))+"</credentials>",
		"<query xmlns='http://jabber.org/protocol/disco#info' node='"+strings.Repeat("&lt;", g.rand.IntN(2000))+"'/>")
	to := component + g.pick("", "/x", "/"+strings.Repeat("y", 500))
	return attack{"odd requests", id, g.request(id, "mallory@"+domain+g.resource(), to, payload), mayBeAnswered}
}

// noRequest is what is never answered.
func (g *generator) noRequest(domain string) attack {
	id := g.id("x")
	attributes := "id='" + id + "' from='mallory@" + domain + "' to='" + component + "'"
	return attack{"messages, presences and replies", id, g.pick("<message "+attributes+"><body>hello</body></message>", "<presence "+attributes+"/>",
		"<iq type='result' "+attributes+">"+services+"</iq>", "<iq type='error' "+attributes+"/>"), mayBeAnswered}
}

func (g *generator) request(id, from, to, payload string) string {
	return "<iq type='" + g.pick("get", "set") + "' id='" + id + "' from='" + from + "' to='" + to + "'>" + payload + "</iq>"
}

func (g *generator) namespace() string {
	return g.pick("urn:xmpp:delegation:1", "urn:xmpp:delegation:2")
}

func (g *generator) payload() string {
	return g.pick(services, "<services xmlns='urn:xmpp:extdisco:1'/>", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.example.org'/></credentials>", "<credentials xmlns='urn:xmpp:extdisco:2'/>")
}

func (g *generator) resource() string {
	return g.pick("", "/phone", "/a b", "/"+host, "/&lt;&amp;", "/\u115f")
}

// garbage is no XML, or none that XMPP allows.
func (g *generator) garbage() string {
	b := make([]byte, 1+g.rand.IntN(2000))
	for i := range b {
		b[i] = byte(g.rand.UintN(256))
	}
	return g.pick(string(b), "<iq><a></iq>", "</stream:stream><iq/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<?x y?>", "<iq a='1' a='2'/>", "&#0;", "<iq id='\xff'/>")
}

// reply is a stanza that came back.
type reply struct {
	XMLName xml.Name
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	To      string `xml:"to,attr"`
	Inner   *struct {
		Type string `xml:"type,attr"`
	} `xml:"delegation>forwarded>iq"`
	Body string `xml:",innerxml"`
}

// served reports whether the reply grants the request.
func (r reply) served() bool {
	return r.Type == "result" && (r.Inner == nil || r.Inner.Type == "result") && strings.Contains(r.Body, "password=")
}

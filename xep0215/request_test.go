package xep0215_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"extdisco/xep0215"
)

// What a request can be refused with.
var (
	errNotARequest = stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}

	errNoElement   = badRequest("the payload is not an element")
	errEndsEarly   = badRequest("the payload is cut off")
	errType        = badRequest("the type of a service must be a name without spaces and colons")
	errTypeMissing = badRequest("the type of the service is missing")
	errHostMissing = badRequest("the host of the service is missing")
	errPort        = badRequest("the port of a service must be a number from 1 to 65535")
	errTransport   = badRequest("the transport of a service must be a name without spaces and colons")
	errNothing     = badRequest("no service is named in the namespace of the request")
	errTooMany     = badRequest("a request can name at most 100 services")
)

func badRequest(text string) stanza.Error {
	return stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest, Text: map[string]string{"en": text}}
}

// In the payloads of these tests NS stands for the namespace. Where err is set
// the request is refused, otherwise it is want.
type parseTest struct {
	name, payload string
	want          xep0215.Request
	err           error
}

// run tries the request in a namespace, also on its way back.
func (tt parseTest) run(t *testing.T, ns string) {
	got, err := parse(strings.ReplaceAll(tt.payload, "NS", ns))
	if !reflect.DeepEqual(err, tt.err) {
		t.Fatalf("error %#v,\nwant %#v", err, tt.err)
	}
	if err != nil {
		return
	}
	tt.want.NS = ns
	if !reflect.DeepEqual(got, tt.want) {
		t.Errorf("request %+v,\nwant %+v", got, tt.want)
	}
	wantRoundTrip(t, got)
}

// wantRoundTrip fails unless the payload that asks r is parsed as r, as tokens
// and as text.
func wantRoundTrip(t *testing.T, r xep0215.Request) {
	t.Helper()
	r.Lang = "" // goes into the stanza
	again, err := xep0215.ParseRequest(r.TokenReader())
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("round trip: %+v, %v,\nwant %+v", again, err, r)
	}
	text := encode(t, r.TokenReader())
	again, err = parse(text)
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("round trip through %s: %+v, %v,\nwant %+v", text, again, err, r)
	}
}

func encode(t *testing.T, tokens xml.TokenReader) string {
	t.Helper()
	var text bytes.Buffer
	e := xml.NewEncoder(&text)
	for {
		token, err := tokens.Token()
		if token != nil {
			if err := e.EncodeToken(token); err != nil {
				t.Fatal(err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func ofType(serviceType string) xep0215.Request { return xep0215.Request{Type: serviceType} }

func naming(filters ...xep0215.Filter) xep0215.Request {
	return xep0215.Request{Credentials: filters}
}

func TestParseRequest(t *testing.T) {
	const start, end = `<credentials xmlns='NS'>`, `</credentials>`
	port := func(value string) string {
		return start + `<service type='turn' host='a.example.org' port='` + value + `'/>` + end
	}
	hosted := func(host string) xep0215.Request {
		return naming(xep0215.Filter{Type: "turn", Host: host})
	}
	many := func(n int) string {
		return start + strings.Repeat(`<service type='turn' host='a.example.org'/>`, n) + end
	}
	tests := []parseTest{
		{name: "services", payload: `<services xmlns='NS'/>`},
		{name: "services with a prefix", payload: `<x:services xmlns:x='NS'/>`},
		{name: "services with text and children", payload: `<services xmlns='NS'> a <service type='turn'><x/></service><!-- b --></services>`},
		{name: "services with attributes that nobody knows", payload: `<services xmlns='NS' host='a.example.org' xml:space='preserve'/>`},
		{name: "services of a type", payload: `<services xmlns='NS' type='turn'/>`, want: ofType("turn")},
		{name: "services of an unknown type", payload: `<services xmlns='NS' type='x-_.9'/>`, want: ofType("x-_.9")},
		{name: "type of non-ASCII letters", payload: `<services xmlns='NS' type='größe'/>`, want: ofType("größe")},
		{name: "type in Chinese", payload: `<services xmlns='NS' type='服务'/>`, want: ofType("服务")},
		{name: "type with a combining accent", payload: "<services xmlns='NS' type='e\u0301'/>", want: ofType("e\u0301")},
		{name: "type with a middle dot", payload: `<services xmlns='NS' type='col·lecció'/>`, want: ofType("col·lecció")},
		{name: "type that begins with an underscore", payload: `<services xmlns='NS' type='_x'/>`, want: ofType("_x")},
		{name: "type with a prefix is another attribute", payload: `<services xmlns='NS' xmlns:x='urn:example' x:type='a b'/>`},
		{name: "type without a prefix behind one with", payload: `<services xmlns='NS' xmlns:x='urn:example' x:type='stun' type='turn'/>`, want: ofType("turn")},

		{name: "empty type", payload: `<services xmlns='NS' type=''/>`, err: errType},
		{name: "type of a digit first", payload: `<services xmlns='NS' type='1a'/>`, err: errType},
		{name: "type with a colon", payload: `<services xmlns='NS' type='a:b'/>`, err: errType},
		{name: "type with a dot first", payload: `<services xmlns='NS' type='.a'/>`, err: errType},
		{name: "type with a multiplication sign", payload: `<services xmlns='NS' type='a×b'/>`, err: errType},
		{name: "type of every kind of character", payload: `<services xmlns='NS' type='_a-1.·ä̀𝕏'/>`, want: ofType("_a-1.·ä̀𝕏")},
		{name: "type of a blank", payload: `<services xmlns='NS' type=' '/>`, err: errType},
		{name: "type with a blank inside", payload: `<services xmlns='NS' type='stun turn'/>`, err: errType},
		{name: "type with a blank in front", payload: `<services xmlns='NS' type=' turn'/>`, err: errType},
		{name: "type with a blank behind", payload: `<services xmlns='NS' type='turn '/>`, err: errType},
		{name: "type with a tab", payload: `<services xmlns='NS' type='a&#9;b'/>`, err: errType},
		{name: "type with a line break", payload: `<services xmlns='NS' type='a&#10;b'/>`, err: errType},
		{name: "type with a colon", payload: `<services xmlns='NS' type='x:turn'/>`, err: errType},
		{name: "type that begins with a digit", payload: `<services xmlns='NS' type='1turn'/>`, err: errType},
		{name: "type that begins with a hyphen", payload: `<services xmlns='NS' type='-turn'/>`, err: errType},
		{name: "type that begins with a dot", payload: `<services xmlns='NS' type='.turn'/>`, err: errType},
		{name: "type that begins with an accent", payload: "<services xmlns='NS' type='\u0301e'/>", err: errType},
		{name: "type with a quote", payload: `<services xmlns='NS' type='a&apos;b'/>`, err: errType},
		{name: "type with markup", payload: `<services xmlns='NS' type='a&lt;b'/>`, err: errType},
		{name: "type with the replacement character", payload: "<services xmlns='NS' type='a\uFFFD'/>", err: errType},
		{name: "type of a pictogram", payload: `<services xmlns='NS' type='📞'/>`, err: errType},

		{name: "credentials by host and type", payload: start + `<service host='a.example.org' type='turn'/>` + end, want: hosted("a.example.org")},
		{name: "credentials by all that a filter has",
			payload: start + `<service host='a.example.org' type='turn' port='3478' transport='udp'/>` + end,
			want:    naming(xep0215.Filter{Type: "turn", Host: "a.example.org", Port: 3478, Transport: "udp"})},
		{name: "credentials with a prefix", payload: `<x:credentials xmlns:x='NS'><x:service host='a.example.org' type='turn'/></x:credentials>`, want: hosted("a.example.org")},
		{name: "credentials of several services, in their order",
			payload: start + `<service host='b' type='turn'/><service host='a' type='turns'/><service host='b' type='turn'/>` + end,
			want:    naming(xep0215.Filter{Host: "b", Type: "turn"}, xep0215.Filter{Host: "a", Type: "turns"}, xep0215.Filter{Host: "b", Type: "turn"})},
		{name: "language", payload: `<services xmlns='NS' xml:lang='de-AT'/>`, want: xep0215.Request{Lang: "de-AT"}},
		{name: "language that is not xml:lang", payload: `<services xmlns='NS' lang='de' xmlns:x='urn:example' x:lang='de'/>`},
		{name: "credentials between blanks", payload: start + "\n\t<service host='a.example.org' type='turn'>\n</service>\n" + end, want: hosted("a.example.org")},
		{name: "credentials of a type that is not ours", payload: start + `<service host='a' type='short-lived-token'/>` + end,
			want: naming(xep0215.Filter{Host: "a", Type: "short-lived-token"})},
		{name: "host in upper case with a trailing dot", payload: start + `<service host='A.Example.ORG.' type='turn'/>` + end, want: hosted("a.example.org")},
		{name: "host with an IPv6 address in brackets", payload: start + `<service host='[2001:DB8:0::3]' type='turn'/>` + end, want: hosted("2001:db8::3")},
		{name: "host with a line break", payload: start + `<service host='a&#10;b' type='turn'/>` + end, want: hosted("a\nb")},
		{name: "attributes that nobody knows", payload: start + `<service host='a.example.org' type='turn' username='u' restricted='1' action='add'/>` + end, want: hosted("a.example.org")},
		{name: "unknown child", payload: start + `<other/><service host='a.example.org' type='turn'/><other><deep/></other>` + end, want: hosted("a.example.org")},
		{name: "service of another namespace", payload: start + `<service xmlns='urn:example' host='b' type='turn'/><service host='a.example.org' type='turn'/>` + end, want: hosted("a.example.org")},
		{name: "faulty service of another namespace", payload: start + `<service xmlns='urn:example' port='x'/><service host='a.example.org' type='turn'/>` + end, want: hosted("a.example.org")},
		{name: "service inside of an unknown child", payload: start + `<other><service host='b' type='turn'/></other><service host='a.example.org' type='turn'/>` + end, want: hosted("a.example.org")},
		{name: "service inside of a service", payload: start + `<service host='a.example.org' type='turn'><service host='b' type='turn'/></service>` + end, want: hosted("a.example.org")},
		{name: "attributes with a prefix are other attributes",
			payload: start + `<service xmlns:x='urn:example' x:host='b' host='a.example.org' x:type='stun' type='turn' x:port='x' x:transport=''/>` + end,
			want:    hosted("a.example.org")},
		{name: "exactly 100 services", payload: many(100), want: func() xep0215.Request {
			var all []xep0215.Filter
			for range 100 {
				all = append(all, xep0215.Filter{Type: "turn", Host: "a.example.org"})
			}
			return naming(all...)
		}()},
		{name: "100 services among others", payload: start + strings.Repeat(`<other/>`, 200) + strings.TrimPrefix(many(1), start),
			want: hosted("a.example.org")},
		{name: "smallest port", payload: port("1"), want: naming(xep0215.Filter{Type: "turn", Host: "a.example.org", Port: 1})},
		{name: "largest port", payload: port("65535"), want: naming(xep0215.Filter{Type: "turn", Host: "a.example.org", Port: 65535})},
		{name: "port with zeros in front", payload: port("03478"), want: naming(xep0215.Filter{Type: "turn", Host: "a.example.org", Port: 3478})},

		{name: "101 services", payload: many(101), err: errTooMany},
		{name: "101st service that is faulty", payload: strings.TrimSuffix(many(100), end) + `<service/>` + end, err: errTooMany},
		{name: "nothing named", payload: start + end, want: naming(xep0215.Filter{})},
		{name: "nothing but blanks", payload: start + "\n" + end, want: naming(xep0215.Filter{})},
		{name: "nothing but unknown children", payload: start + `<other/>` + end, err: errNothing},
		{name: "nothing but a service of another namespace", payload: start + `<service xmlns='urn:example' host='a' type='turn'/>` + end, err: errNothing},
		{name: "service without anything", payload: start + `<service/>` + end, err: errHostMissing},
		{name: "host missing", payload: start + `<service type='turn'/>` + end, err: errHostMissing},
		{name: "host empty", payload: start + `<service type='turn' host=''/>` + end, err: errHostMissing},
		{name: "host of a dot", payload: start + `<service type='turn' host='.'/>` + end, err: errHostMissing},
		{name: "host with a prefix", payload: start + `<service xmlns:x='urn:example' type='turn' x:host='a'/>` + end, err: errHostMissing},
		{name: "second service without a host", payload: start + `<service type='turn' host='a'/><service type='turn'/>` + end, err: errHostMissing},
		{name: "type of the service empty", payload: start + `<service type='' host='a'/>` + end, err: errType},
		{name: "type of the service with a blank", payload: start + `<service type='a b' host='a'/>` + end, err: errType},
		{name: "transport empty", payload: start + `<service type='turn' host='a' transport=''/>` + end, err: errTransport},
		{name: "transport with a blank", payload: start + `<service type='turn' host='a' transport='udp tcp'/>` + end, err: errTransport},
		{name: "port empty", payload: port(""), err: errPort},
		{name: "port zero", payload: port("0"), err: errPort},
		{name: "port too large", payload: port("65536"), err: errPort},
		{name: "port far too large", payload: port("18446744073709551617"), err: errPort},
		{name: "port with a fraction", payload: port("1.5"), err: errPort},
		{name: "port that is no number", payload: port("x"), err: errPort},
		{name: "port below zero", payload: port("-1"), err: errPort},
		{name: "port with a plus sign", payload: port("+1"), err: errPort},
		{name: "port with a blank in front", payload: port(" 80"), err: errPort},
		{name: "port with a blank behind", payload: port("80 "), err: errPort},
		{name: "port in hexadecimal", payload: port("0x50"), err: errPort},
		{name: "port with an underscore", payload: port("3_478"), err: errPort},
		{name: "port in Arabic digits", payload: port("٨٠"), err: errPort},

		{name: "services that end early", payload: `<services xmlns='NS'>`, err: errEndsEarly},
		{name: "services that end inside of a child", payload: `<services xmlns='NS'><a>`, err: errEndsEarly},
		{name: "credentials that end early", payload: start, err: errEndsEarly},
		{name: "credentials that end inside of a service", payload: start + `<service host='a' type='turn'>`, err: errEndsEarly},
		{name: "credentials that end behind a service", payload: start + `<service host='a' type='turn'/>`, err: errEndsEarly},
		{name: "credentials that end inside of an unknown child", payload: start + `<service host='a' type='turn'/><other>`, err: errEndsEarly},
		{name: "credentials with a wrong end", payload: start + `<service host='a' type='turn'/></services>`, err: errEndsEarly},
		{name: "credentials of broken XML", payload: start + `<service host=/>` + end, err: errEndsEarly},

		{name: "another element", payload: `<service xmlns='NS' host='a' type='turn'/>`, err: errNotARequest},
		{name: "another element that ends early", payload: `<query xmlns='NS'>`, err: errNotARequest},
		{name: "services in upper case", payload: `<SERVICES xmlns='NS'/>`, err: errNotARequest},
		{name: "no namespace", payload: `<services/>`, err: errNotARequest},
		{name: "namespace of a later version", payload: `<services xmlns='urn:xmpp:extdisco:3'/>`, err: errNotARequest},
		{name: "namespace with a blank", payload: `<services xmlns='NS '/>`, err: errNotARequest},
		{name: "namespace of a prefix that is not used", payload: `<services xmlns:x='NS'/>`, err: errNotARequest},
		{name: "nothing at all", payload: ``, err: errNoElement},
		{name: "text", payload: `services`, err: errNoElement},
		{name: "end of an element", payload: `</services>`, err: errNoElement},
		{name: "broken XML", payload: `<services`, err: errNoElement},
	}
	for _, ns := range []string{xep0215.NS, xep0215.NS1} {
		t.Run(ns, func(t *testing.T) {
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, ns) })
			}
		})
	}
}

// Where the versions differ: version 1 asked for credentials by host alone.
func TestParseRequestByHostAlone(t *testing.T) {
	const payload = `<credentials xmlns='NS'><service host='a.example.org'/></credentials>`
	parseTest{payload: payload, err: errTypeMissing}.run(t, xep0215.NS)
	parseTest{payload: payload, want: naming(xep0215.Filter{Host: "a.example.org"})}.run(t, xep0215.NS1)
	const withPrefix = `<credentials xmlns='NS'><service host='a.example.org' xmlns:x='urn:example' x:type='turn'/></credentials>`
	parseTest{payload: withPrefix, err: errTypeMissing}.run(t, xep0215.NS)
}

// A service of the other version is not one of the request's.
func TestParseRequestDoesNotMixVersions(t *testing.T) {
	for _, ns := range [][2]string{{xep0215.NS, xep0215.NS1}, {xep0215.NS1, xep0215.NS}} {
		payload := `<credentials xmlns='` + ns[0] + `'><service xmlns='` + ns[1] + `' host='a' type='turn'/></credentials>`
		if _, err := parse(payload); !reflect.DeepEqual(err, errNothing) {
			t.Errorf("%s: error %v, want %v", payload, err, errNothing)
		}
	}
}

// tokens is a token stream that ends with err, which comes together with the last
// token, as [xml.TokenReader] allows, or after it.
type tokens struct {
	left     []xml.Token
	err      error
	together bool
}

func (s *tokens) Token() (xml.Token, error) {
	if len(s.left) == 0 {
		return nil, s.err
	}
	token := s.left[0]
	s.left = s.left[1:]
	if len(s.left) == 0 && s.together {
		return token, s.err
	}
	return token, nil
}

func TestParseRequestFromTokens(t *testing.T) {
	attr := func(name, value string) xml.Attr {
		return xml.Attr{Name: xml.Name{Local: name}, Value: value}
	}
	root := xml.StartElement{Name: xml.Name{Space: xep0215.NS, Local: "credentials"}}
	service := xml.StartElement{Name: xml.Name{Space: xep0215.NS, Local: "service"}, Attr: []xml.Attr{attr("host", "a"), attr("type", "turn")}}
	list := xml.StartElement{Name: xml.Name{Space: xep0215.NS, Local: "services"}}
	whole := []xml.Token{root, service, service.End(), root.End()}
	broken := errors.New("connection reset")

	for _, together := range []bool{false, true} {
		when := "after the last token"
		if together {
			when = "with the last token"
		}
		t.Run("end "+when, func(t *testing.T) {
			for kept := 1; kept < len(whole); kept++ {
				for _, err := range []error{io.EOF, broken} {
					_, got := xep0215.ParseRequest(&tokens{left: whole[:kept], err: err, together: together})
					wantError(t, got, stanza.Modify, stanza.BadRequest)
				}
			}
			got, err := xep0215.ParseRequest(&tokens{left: whole, err: io.EOF, together: together})
			want := xep0215.Request{NS: xep0215.NS, Credentials: []xep0215.Filter{{Type: "turn", Host: "a"}}}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
			_, err = xep0215.ParseRequest(&tokens{left: []xml.Token{list}, err: io.EOF, together: together})
			wantError(t, err, stanza.Modify, stanza.BadRequest)
			got, err = xep0215.ParseRequest(&tokens{left: []xml.Token{list, list.End()}, err: io.EOF, together: together})
			if want := (xep0215.Request{NS: xep0215.NS}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		_, err := xep0215.ParseRequest(&tokens{err: io.EOF})
		if !reflect.DeepEqual(err, errNoElement) {
			t.Errorf("error %v, want %v", err, errNoElement)
		}
	})
}

// What follows the payload is the caller's.
func TestParseRequestStopsAtTheEndOfThePayload(t *testing.T) {
	for _, payload := range []string{
		`<services xmlns='urn:xmpp:extdisco:2'><x/></services>`,
		`<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a'/></credentials>`,
	} {
		d := xml.NewDecoder(strings.NewReader(payload + `<next/>`))
		if _, err := xep0215.ParseRequest(d); err != nil {
			t.Fatal(err)
		}
		token, err := d.Token()
		if next, ok := token.(xml.StartElement); !ok || next.Name.Local != "next" {
			t.Errorf("behind %s comes %v, %v", payload, token, err)
		}
	}
}

func TestRequestTokenReader(t *testing.T) {
	tests := []struct {
		name    string
		request xep0215.Request
		want    string
	}{
		{"services, version 2 unless said otherwise", xep0215.Request{}, `<services xmlns="urn:xmpp:extdisco:2"></services>`},
		{"services of version 1", xep0215.Request{NS: xep0215.NS1}, `<services xmlns="urn:xmpp:extdisco:1"></services>`},
		{"services of a type", xep0215.Request{Type: "turn"}, `<services xmlns="urn:xmpp:extdisco:2" type="turn"></services>`},
		{"credentials", xep0215.Request{NS: xep0215.NS, Credentials: []xep0215.Filter{
			{Type: "turn", Host: "a", Port: 3478, Transport: "udp"}, {Type: "turns", Host: "<b>"}}},
			`<credentials xmlns="urn:xmpp:extdisco:2">` +
				`<service xmlns="urn:xmpp:extdisco:2" host="a" type="turn" port="3478" transport="udp"></service>` +
				`<service xmlns="urn:xmpp:extdisco:2" host="&lt;b&gt;" type="turns"></service></credentials>`},
		{"all credentials", xep0215.Request{Credentials: []xep0215.Filter{{}}}, `<credentials xmlns="urn:xmpp:extdisco:2"></credentials>`},
		{"credentials by host alone", xep0215.Request{NS: xep0215.NS1, Credentials: []xep0215.Filter{{Host: "a"}}},
			`<credentials xmlns="urn:xmpp:extdisco:1"><service xmlns="urn:xmpp:extdisco:1" host="a"></service></credentials>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := encode(t, tt.request.TokenReader()); got != tt.want {
				t.Errorf("asks\n%s, want\n%s", got, tt.want)
			}
			if tt.request.NS == "" {
				tt.request.NS = xep0215.NS
			}
			wantRoundTrip(t, tt.request)
		})
	}
}

package xep0215

import (
	"encoding/xml"
	"fmt"
	"io"

	"mellium.im/xmpp/stanza"
)

// MaxFilters is how many services one request for credentials may name.
const MaxFilters = 100

// Request is what a client asks for: the services on offer, or, if Credentials is
// not empty, the credentials of the services that it names.
type Request struct {
	NS   string // NS or NS1; empty means NS
	Type string // services of this type only; empty means all. XEP-0215 §3.2
	// Credentials names services whose credentials are asked for. XEP-0215 §3.3.
	// The zero Filter alone asks for everything that has credentials, which is an
	// empty credentials element.
	Credentials []Filter
	// Lang is the language for names, from xml:lang. [Fetch] writes it into the
	// stanza, [ParseRequest] reads it from the payload. RFC 5646
	Lang string
}

// asksForAllCredentials reports whether the request names no service in
// particular.
func (r *Request) asksForAllCredentials() bool {
	return len(r.Credentials) == 1 && r.Credentials[0] == Filter{}
}

func (r *Request) namespace() string {
	if r.NS == "" {
		return NS
	}
	return r.NS
}

// Filter names services. Empty fields match everything.
type Filter struct {
	Type      string
	Host      string
	Port      uint16
	Transport string // not in XEP-0215; ejabberd takes it too
}

// ParseRequest reads the payload of an IQ of type get from r, from its start
// element to its end element. An empty credentials element, which Libervia
// sends, asks for everything that has credentials. Every error is a
// [stanza.Error] that says what is wrong with the request: modify/bad-request, or
// cancel/service-unavailable if the payload is not a request of XEP-0215.
func ParseRequest(r xml.TokenReader) (Request, error) {
	token, _ := r.Token() // an error comes again with the next token
	start, ok := token.(xml.StartElement)
	if !ok {
		return Request{}, badRequest("the payload is not an element")
	}
	if start.Name.Space != NS && start.Name.Space != NS1 {
		return Request{}, notARequest()
	}
	req := Request{NS: start.Name.Space, Lang: lang(start)}
	switch start.Name.Local {
	case "services":
		if serviceType, given := attr(start, "type"); given {
			if !isNCName(serviceType) {
				return Request{}, badRequest("the type of a service must be a name without spaces and colons")
			}
			req.Type = serviceType
		}
		return req, skip(r)
	case "credentials":
		if err := req.parseFilters(r); err != nil {
			return Request{}, err
		}
		return req, nil
	}
	return Request{}, notARequest()
}

// parseFilters reads the children of a credentials element, to its end.
func (r *Request) parseFilters(tokens xml.TokenReader) error {
	empty := true
	for {
		token, err := tokens.Token()
		switch t := token.(type) {
		case xml.StartElement:
			empty = false
			if t.Name.Local == "service" && t.Name.Space == r.NS {
				if len(r.Credentials) == MaxFilters {
					return badRequest(fmt.Sprintf("a request can name at most %d services", MaxFilters))
				}
				f, err := parseFilter(t, r.NS)
				if err != nil {
					return err
				}
				r.Credentials = append(r.Credentials, f)
			}
			if err := skip(tokens); err != nil {
				return err
			}
		case xml.EndElement:
			if empty {
				r.Credentials = []Filter{{}}
			}
			if len(r.Credentials) == 0 {
				return badRequest("no service is named in the namespace of the request")
			}
			return nil
		}
		if err != nil {
			return badRequest("the payload is cut off")
		}
	}
}

func parseFilter(start xml.StartElement, ns string) (Filter, error) {
	var f Filter
	host, _ := attr(start, "host")
	if f.Host = CanonicalHost(host); f.Host == "" { // would match every host
		return f, badRequest("the host of the service is missing")
	}
	var given bool
	f.Type, given = attr(start, "type")
	if !given && ns != NS1 { // version 1 asked for the host only
		return f, badRequest("the type of the service is missing")
	}
	if given && !isNCName(f.Type) {
		return f, badRequest("the type of a service must be a name without spaces and colons")
	}
	if f.Transport, given = attr(start, "transport"); given && !isNCName(f.Transport) {
		return f, badRequest("the transport of a service must be a name without spaces and colons")
	}
	if port, given := attr(start, "port"); given {
		var ok bool
		if f.Port, ok = parsePort(port); !ok {
			return f, badRequest("the port of a service must be a number from 1 to 65535")
		}
	}
	return f, nil
}

func attr(start xml.StartElement, name string) (value string, given bool) {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// lang returns the xml:lang of the element. Decoders name its namespace by the URI,
// some readers of tokens by the prefix.
func lang(start xml.StartElement) string {
	for _, a := range start.Attr {
		if a.Name.Local == "lang" && (a.Name.Space == "xml" || a.Name.Space == "http://www.w3.org/XML/1998/namespace") {
			return a.Value
		}
	}
	return ""
}

// skip reads to the end of the element whose start was read last.
func skip(r xml.TokenReader) error {
	for depth := 1; depth > 0; {
		token, err := r.Token()
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
		if err != nil && depth > 0 {
			return badRequest("the payload is cut off")
		}
	}
	return nil
}

// TokenReader returns the payload that asks the request.
func (r Request) TokenReader() xml.TokenReader {
	ns := r.namespace()
	root := xml.StartElement{Name: xml.Name{Space: ns, Local: "services"}}
	if len(r.Credentials) > 0 {
		root.Name.Local = "credentials"
	} else if r.Type != "" {
		root.Attr = []xml.Attr{{Name: xml.Name{Local: "type"}, Value: r.Type}}
	}
	tokens := tokenSlice{root}
	for _, f := range r.Credentials {
		if r.asksForAllCredentials() {
			break
		}
		service := xml.StartElement{Name: xml.Name{Space: ns, Local: "service"}, Attr: f.attrs()}
		tokens = append(tokens, service, service.End())
	}
	tokens = append(tokens, root.End())
	return &tokens
}

func (f Filter) attrs() []xml.Attr {
	var attrs []xml.Attr
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
		}
	}
	add("host", f.Host)
	add("type", f.Type)
	if f.Port != 0 {
		add("port", fmt.Sprint(f.Port))
	}
	add("transport", f.Transport)
	return attrs
}

type tokenSlice []xml.Token

func (t *tokenSlice) Token() (xml.Token, error) {
	if len(*t) == 0 {
		return nil, io.EOF
	}
	token := (*t)[0]
	*t = (*t)[1:]
	return token, nil
}

func badRequest(text string) stanza.Error {
	return stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest, Text: english(text)}
}

func notARequest() stanza.Error {
	return stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
}

func english(text string) map[string]string { return map[string]string{"en": text} }

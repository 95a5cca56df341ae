package xep0215

import (
	"encoding/xml"
	"fmt"
	"io"
	"unicode"

	"mellium.im/xmpp/stanza"
)

// MaxFilters is how many services one request for credentials may name.
const MaxFilters = 100

// Request is what a client asks: for the services on offer, or, when
// Credentials names any, for the credentials of those services.
type Request struct {
	NS          string   // NS or NS1; empty means NS
	Type        string   // of services, this type only; empty means all. XEP-0215 §3.2
	Credentials []Filter // XEP-0215 §3.3
}

// Filter names services. Empty fields match everything.
type Filter struct {
	Type      string
	Host      string
	Port      uint16
	Transport string // not in XEP-0215; ejabberd takes it too
}

// ParseRequest reads the payload of an IQ of type get from r, from its start
// element to its end element. Every error is a [stanza.Error] that says what is
// wrong with the request: modify/bad-request, or cancel/service-unavailable when
// the payload is no request of XEP-0215.
func ParseRequest(r xml.TokenReader) (Request, error) {
	token, err := r.Token()
	start, ok := token.(xml.StartElement)
	if !ok || (err != nil && err != io.EOF) {
		return Request{}, badRequest("the payload is not an element")
	}
	if start.Name.Space != NS && start.Name.Space != NS1 {
		return Request{}, notARequest()
	}
	req := Request{NS: start.Name.Space}
	switch start.Name.Local {
	case "services":
		if serviceType, given := attr(start, "type"); given {
			if !isNCName(serviceType) {
				return Request{}, badRequest("the type of a service is a name without blanks")
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
	for {
		token, err := tokens.Token()
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "service" && t.Name.Space == r.NS {
				if len(r.Credentials) == MaxFilters {
					return badRequest(fmt.Sprintf("at most %d services can be asked for at once", MaxFilters))
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
			if len(r.Credentials) == 0 {
				return badRequest("no service is named to give credentials for")
			}
			return nil
		}
		if err != nil {
			return badRequest("the payload ends early")
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
		return f, badRequest("the type of a service is a name without blanks")
	}
	if f.Transport, given = attr(start, "transport"); given && !isNCName(f.Transport) {
		return f, badRequest("the transport of a service is a name without blanks")
	}
	if port, given := attr(start, "port"); given {
		var ok bool
		if f.Port, ok = parsePort(port); !ok {
			return f, badRequest("the port of a service is a number from 1 to 65535")
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
			return badRequest("the payload ends early")
		}
	}
	return nil
}

// isNCName reports whether s is a name without a colon, as the schema of
// XEP-0215 asks of types and transports.
func isNCName(s string) bool {
	for i, r := range s {
		switch {
		case r == '_' || unicode.IsLetter(r):
		case i > 0 && (r == '-' || r == '.' || r == '·' || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)):
		default:
			return false
		}
	}
	return s != ""
}

// TokenReader returns the payload that asks the request.
func (r Request) TokenReader() xml.TokenReader {
	ns := r.NS
	if ns == "" {
		ns = NS
	}
	root := xml.StartElement{Name: xml.Name{Space: ns, Local: "services"}}
	if len(r.Credentials) > 0 {
		root.Name.Local = "credentials"
	} else if r.Type != "" {
		root.Attr = []xml.Attr{{Name: xml.Name{Local: "type"}, Value: r.Type}}
	}
	tokens := tokenSlice{root}
	for _, f := range r.Credentials {
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

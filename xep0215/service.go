package xep0215

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/secret"
)

// Service is one entry of a list of services. XEP-0215 §3. When it is printed,
// the password is redacted.
type Service struct {
	Type       string            // what it is, such as "turn"
	Host       string            // name, IPv4 address, or IPv6 address without brackets
	Port       uint16            // 0 if not given
	Transport  string            // "udp" or "tcp"; empty if not given
	Restricted bool              // credentials are required
	Username   string            // empty if the service needs none or they must be asked for
	Password   string            // belongs to Username
	Expires    time.Time         // until when Username and Password are valid; zero if not given
	Name       string            // for people; empty if not given
	Names      map[string]string // translations of Name by language tag (RFC 5646); only used to answer
	Info       []Field           // extended information; none if not given. XEP-0215 §3.4
	Action     string            // in pushed changes: one of the Action constants; otherwise empty
}

// Key identifies a service: two entries with the same Key are the same service.
type Key struct {
	Type, Host string
	Port       uint16
	Transport  string
}

// Key returns what identifies the service, with the host in the form that
// [CanonicalHost] returns.
func (s Service) Key() Key {
	return Key{Type: s.Type, Host: CanonicalHost(s.Host), Port: s.Port, Transport: s.Transport}
}

// NameIn returns the name of the service in a language: the translation for the
// tag, else for the tag without its last parts ("de" for "de-AT"; RFC 4647 §3.4),
// else Name. Tags are compared case-insensitively.
func (s Service) NameIn(lang string) string {
	for lang != "" {
		for tag, name := range s.Names {
			if strings.EqualFold(tag, lang) {
				return name
			}
		}
		lang = shorterTag(lang)
	}
	return s.Name
}

// shorterTag returns a language tag without its last part, or "".
func shorterTag(tag string) string {
	tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	if n := len(tag) - len("-x"); n >= 0 && tag[n] == '-' { // introduces what was cut off
		tag = tag[:n]
	}
	return tag
}

// String returns the service without its password.
func (s Service) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s %s port %d transport %q restricted %v", s.Type, s.Host, s.Port, s.Transport, s.Restricted)
	if s.Username != "" || s.Password != "" {
		fmt.Fprintf(&b, " username %q password %s", s.Username, secret.Redacted)
	}
	if !s.Expires.IsZero() {
		fmt.Fprintf(&b, " expires %s", s.Expires.Format(time.RFC3339Nano))
	}
	if s.Name != "" || len(s.Names) > 0 {
		fmt.Fprintf(&b, " name %q %q", s.Name, s.Names)
	}
	if len(s.Info) > 0 {
		fmt.Fprintf(&b, " info %q", s.Info)
	}
	if s.Action != "" {
		fmt.Fprintf(&b, " action %s", s.Action)
	}
	return b.String() + "}"
}

// Format implements [fmt.Formatter] for every verb.
func (s Service) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements [slog.LogValuer].
func (s Service) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler]: encoders print the text of
// [Service.String].
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// NeedsCredentials reports whether a service of this type is useless without
// username and password.
func NeedsCredentials(serviceType string) bool {
	return serviceType == TypeTURN || serviceType == TypeTURNS
}

// hasCredentials reports whether a client can use the service as it is.
func (s Service) hasCredentials() bool {
	return !NeedsCredentials(s.Type) || s.Username != "" && s.Password != ""
}

// CanonicalHost returns the form in which hosts are compared: lower case, no
// trailing dots, IPv6 addresses without brackets and as in RFC 5952. The canonical
// form of a canonical form is the same.
func CanonicalHost(host string) string {
	host = strings.ToLower(strings.TrimRight(host, "."))
	if strings.Contains(host, ":") {
		bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if ip, err := netip.ParseAddr(bare); err == nil {
			return ip.String()
		}
	}
	return host
}

// UnmarshalXML reads a service element leniently: what cannot be understood counts
// as not given, since one odd entry must not cost the list.
func (s *Service) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	*s = Service{}
	for _, a := range start.Attr {
		if a.Name.Space == "" {
			s.setAttr(a.Name.Local, a.Value)
		}
	}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := s.readChild(d, t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (s *Service) setAttr(name, value string) {
	switch name {
	case "type":
		s.Type = value
	case "host":
		s.Host = value
	case "port":
		s.Port, _ = parsePort(value)
	case "transport":
		s.Transport = value
	case "restricted":
		s.Restricted = value == "true" || value == "1"
	case "username":
		s.Username = value
	case "password":
		s.Password = value
	case "expires":
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			s.Expires = t.UTC()
		}
	case "name":
		s.Name = value
	case "action":
		s.Action = value
		if value == "remove" { // in the table of XEP-0215 §3.1; schema and examples have "delete"
			s.Action = ActionDelete
		}
	}
}

// readChild reads the first data form with fields, and skips everything else.
func (s *Service) readChild(d *xml.Decoder, start xml.StartElement) error {
	if start.Name != (xml.Name{Space: nsDataForm, Local: "x"}) || s.Info != nil {
		return d.Skip()
	}
	var err error
	s.Info, err = readInfo(d, start)
	return err
}

// parsePort reads a port: decimal digits, 1 to 65535. If not ok, it is 0.
func parsePort(s string) (port uint16, ok bool) {
	number, err := strconv.ParseUint(s, 10, 16)
	if err != nil || number == 0 {
		return 0, false
	}
	return uint16(number), true
}

package xep0215

import (
	"encoding/xml"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Service is one entry of a list of services. XEP-0215 §3.
type Service struct {
	Type       string    // what it is, such as "turn"
	Host       string    // name, IPv4 address, or IPv6 address without brackets
	Port       uint16    // 0 when not given
	Transport  string    // "udp" or "tcp"; empty when not given
	Restricted bool      // credentials are required
	Username   string    // empty when the service needs none or they must be asked for
	Password   string    // goes with Username
	Expires    time.Time // until when Username and Password are good; zero when not given
	Name       string    // for people; empty when not given
	Action     string    // in pushed changes: "add", "remove" or "modify"; otherwise empty
}

// Key identifies a service: two entries with the same Key are the same service.
type Key struct {
	Type, Host string
	Port       uint16
	Transport  string
}

// Key returns what identifies the service, the host in the form that
// [CanonicalHost] gives it.
func (s Service) Key() Key {
	return Key{Type: s.Type, Host: CanonicalHost(s.Host), Port: s.Port, Transport: s.Transport}
}

// NeedsCredentials reports whether a service of this type is of no use without
// username and password.
func NeedsCredentials(serviceType string) bool {
	return serviceType == TypeTURN || serviceType == TypeTURNS
}

// CanonicalHost returns the form in which hosts are compared: lower case,
// without trailing dots, IPv6 addresses without brackets and in the form of RFC
// 5952. The canonical form of a canonical form is itself.
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

// expiresFormat is XEP-0082 in UTC without a fraction: Psi reads the first 19
// characters, and no client needs more.
const expiresFormat = "2006-01-02T15:04:05Z"

// UnmarshalXML reads a service element leniently: an attribute that cannot be
// understood counts as not given, since one odd entry must not cost the list.
func (s *Service) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	*s = Service{}
	for _, a := range start.Attr {
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "type":
			s.Type = a.Value
		case "host":
			s.Host = a.Value
		case "port":
			s.Port, _ = parsePort(a.Value)
		case "transport":
			s.Transport = a.Value
		case "restricted":
			s.Restricted = a.Value == "true" || a.Value == "1"
		case "username":
			s.Username = a.Value
		case "password":
			s.Password = a.Value
		case "expires":
			if t, err := time.Parse(time.RFC3339Nano, a.Value); err == nil {
				s.Expires = t.UTC()
			}
		case "name":
			s.Name = a.Value
		case "action":
			s.Action = a.Value
		}
	}
	return d.Skip()
}

// parsePort reads a port: decimal digits, 1 to 65535. Without ok it is 0.
func parsePort(s string) (port uint16, ok bool) {
	number, err := strconv.ParseUint(s, 10, 16)
	if err != nil || number == 0 {
		return 0, false
	}
	return uint16(number), true
}

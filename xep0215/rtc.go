package xep0215

import (
	"fmt"
	"log/slog"
	"time"

	"extdisco/internal/secret"
)

// RTCIceServer is the dictionary of that name in the WebRTC specification
// (§4.2.4): servers that share a credential. In JSON it has the form that browsers
// expect, credential included; anything else that prints it redacts the credential.
type RTCIceServer struct {
	URLs       []string  `json:"urls"`
	Username   string    `json:"username,omitempty"`
	Credential string    `json:"credential,omitempty"`
	Expires    time.Time `json:"-"` // when the credential expires; zero if it does not
}

// String returns the server without its credential.
func (s RTCIceServer) String() string {
	if s.Username == "" {
		return fmt.Sprintf("{%q}", s.URLs)
	}
	return fmt.Sprintf("{%q username %q credential %s}", s.URLs, s.Username, secret.Redacted)
}

// Format implements [fmt.Formatter] for every verb.
func (s RTCIceServer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements [slog.LogValuer].
func (s RTCIceServer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// RTCIceServers returns the services as browsers take them, in their order.
// Neighbours with the same credential become one entry. Services that a browser
// would refuse, and with them the whole list, are left out.
func RTCIceServers(services []Service) []RTCIceServer {
	var servers []RTCIceServer
	for _, s := range services {
		uri := s.URI()
		if _, err := ParseURI(uri); err != nil || !s.hasCredentials() {
			continue
		}
		if !NeedsCredentials(s.Type) {
			s.Username, s.Password, s.Expires = "", "", time.Time{}
		}
		if n := len(servers); n > 0 && servers[n-1].Username == s.Username && servers[n-1].Credential == s.Password {
			servers[n-1].URLs = append(servers[n-1].URLs, uri)
			continue
		}
		servers = append(servers, RTCIceServer{URLs: []string{uri}, Username: s.Username, Credential: s.Password, Expires: s.Expires})
	}
	return servers
}

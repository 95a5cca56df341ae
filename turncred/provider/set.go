package provider

import "time"

// Set is what a provider hands out at once: TURN and STUN servers with a
// credential that is good until Expires.
type Set struct {
	Servers []Server
	Expires time.Time
}

// Server is ICE URIs (RFC 7064, RFC 7065) that share a credential.
type Server struct {
	URLs     []string
	Username string // empty for STUN servers
	Password string
}

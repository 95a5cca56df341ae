package lab

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
)

// allocateTimeout bounds [Allocation.Do] when its context does not.
const allocateTimeout = 10 * time.Second

// Allocation says where and how to make one TURN allocation. The fields up to
// Password are those of a XEP-0215 service.
type Allocation struct {
	Type      string // "turn", or "turns" for TLS
	Host      string
	Port      int    // default 3478, or 5349 for "turns"
	Transport string // "udp" or "tcp"; default "udp", and always "tcp" for "turns"
	Username  string
	Password  string

	// For "turns": the trusted authorities, nil for the system's, and the name
	// in the certificate, Host if empty.
	RootCAs    *x509.CertPool
	ServerName string

	// Echo sends a datagram through the relay to the relay's own address and
	// waits until it is back. The server must allow this peer.
	Echo bool
}

// AllocateError is a refusal by the TURN server.
type AllocateError struct {
	Op     string // "allocate" or "permission"
	Code   int    // STUN error code: 401 wrong credential, 403 forbidden peer, 486 quota…
	Reason string
}

func (e *AllocateError) Error() string {
	return fmt.Sprintf("turn %s: %d %s", e.Op, e.Code, e.Reason)
}

// Do makes the allocation and deletes it again. It returns the relayed address and
// how long the allocation took, or the echo if there was one. A refusal is an
// [*AllocateError].
func (a Allocation) Do(ctx context.Context) (relayed net.Addr, rtt time.Duration, err error) {
	server, err := a.server()
	if err != nil {
		return nil, 0, err
	}
	options := probe.Options{Depth: probe.Allocate, Timeout: allocateTimeout, RootCAs: a.RootCAs}
	if a.Echo {
		options.Depth = probe.Echo
	}
	if a.ServerName != "" {
		server.Host = a.ServerName
		options.Resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip4", a.Host)
		}
	}
	result := probe.Try(ctx, server, options)
	if failure := result.Worst(); failure != nil {
		return nil, 0, refusal(failure)
	}
	address := result.Addresses[0]
	if a.Echo && slices.Contains(address.Notes, probe.NoteNoEcho) {
		return nil, 0, &AllocateError{Op: "permission", Code: 403, Reason: "Forbidden IP"}
	}
	last := address.Steps[len(address.Steps)-1]
	return net.UDPAddrFromAddrPort(address.Relayed), last.Took, nil
}

// server fills in what is left to the defaults.
func (a Allocation) server() (probe.Server, error) {
	s := probe.Server{Type: a.Type, Host: a.Host, Port: uint16(a.Port), Transport: a.Transport, Username: a.Username, Password: secret.New(a.Password)}
	tls := a.Type == probe.TypeTURNS
	if s.Transport == "" {
		s.Transport = map[bool]string{true: "tcp", false: "udp"}[tls]
	}
	if s.Port == 0 {
		s.Port = map[bool]uint16{true: 5349, false: 3478}[tls]
	}
	if a.Type != probe.TypeTURN && !tls || tls && s.Transport != "tcp" || s.Transport != "tcp" && s.Transport != "udp" {
		return s, fmt.Errorf("cannot speak %s over %q", a.Type, a.Transport)
	}
	return s, nil
}

// refusal tells a refusal by the server from what kept us from asking it.
func refusal(f *probe.Failure) error {
	var refused *stun.TurnError
	if !errors.As(f.Err, &refused) {
		return fmt.Errorf("turn %s: %w", f.Step, f.Err)
	}
	return &AllocateError{Op: string(f.Step), Code: f.Code, Reason: string(refused.ErrorCodeAttr.Reason)}
}

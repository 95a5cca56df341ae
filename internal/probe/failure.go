package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pion/stun/v4"
)

// Kind says what a failure is, for programs.
type Kind string

// The kinds of failures.
const (
	KindNoName       Kind = "no-such-name"
	KindResolver     Kind = "resolver"
	KindRefused      Kind = "refused"
	KindTimeout      Kind = "timeout"
	KindNoRoute      Kind = "no-route"
	KindCertName     Kind = "certificate-name"
	KindCertExpired  Kind = "certificate-expired"
	KindCertUnknown  Kind = "certificate-unknown"
	KindTLS          Kind = "tls"
	KindNotSTUN      Kind = "not-stun"
	KindUnauthorized Kind = "unauthorized"  // 401
	KindMismatch     Kind = "mismatch"      // 437, 441
	KindQuota        Kind = "quota"         // 486
	KindCapacity     Kind = "capacity"      // 508
	KindRedirect     Kind = "redirect"      // 300
	KindForbidden    Kind = "forbidden"     // 403
	KindNoBinding    Kind = "no-binding"    // an error for a binding request
	KindNoIPv4       Kind = "no-ipv4-relay" // 440
	KindOpenRelay    Kind = "open-relay"
	KindPrivateRelay Kind = "private-relay"
	KindSilent       Kind = "silent" // takes a connection and says nothing
	KindCertSoon     Kind = "certificate-ends-soon"
	KindNotRelayed   Kind = "not-relayed"
	KindCode         Kind = "code"       // another STUN error code
	KindConnection   Kind = "connection" // anything else
)

// Failure is why a step did not go well.
type Failure struct {
	Step Step
	Kind Kind
	Code int // STUN error code, or 0
	Err  error
}

// Error says what was tried and what happened.
func (f *Failure) Error() string { return string(f.Step) + ": " + f.Problem() }

// Unwrap returns the error behind the failure.
func (f *Failure) Unwrap() error { return f.Err }

// depth returns how deep a server must be tried to see the failure again.
func (f *Failure) depth() Depth {
	switch f.Step {
	case StepAllocate:
		return Allocate
	case StepPermission, StepEcho:
		return Echo
	}
	return Binding
}

// saying is what a kind of failure is in words, and what to do about it.
type saying struct{ problem, cure string }

var sayings = map[Kind]saying{
	KindNoName:       {"there is no such name", "correct the host in urls, or add it to the DNS"},
	KindResolver:     {"the name cannot be resolved at present", "look at the resolver of this machine"},
	KindRefused:      {"nothing listens at this port", "start the TURN server, or correct the port in urls; for tcp and tls the server must be told to listen there too"},
	KindTimeout:      {"no answer", "open the port in the firewalls between, at the provider too; see whether the server runs"},
	KindNoRoute:      {"this machine has no way to that address", "nothing, if clients have one (IPv6); otherwise take the address out of the DNS"},
	KindCertName:     {"the certificate is for another name", "get a certificate for the host in urls, or write the name of the certificate into urls"},
	KindCertExpired:  {"the certificate has expired, or is not good yet", "renew it and let the server read it (coturn: SIGUSR2); look at the clocks"},
	KindCertUnknown:  {"the certificate is from an authority that is not trusted", "let the server send the whole chain (coturn: cert with fullchain.pem), or get one from a public authority"},
	KindTLS:          {"TLS failed", "see whether the port is for TLS, and the server's log"},
	KindNotSTUN:      {"what answers does not speak STUN", "correct the port in urls: it belongs to something else"},
	KindUnauthorized: {"401: the credential is refused", "the shared secret of the TURN server is another one (coturn: static-auth-secret, use-auth-secret), or a clock is wrong on one side; with a fixed account, compare username and password"},
	KindMismatch:     {"the server has lost the allocation, or has it for somebody else", "try again; if it stays so, look for a load balancer that sends one client to several servers"},
	KindQuota:        {"486: the quota is used up", "raise user-quota or total-quota, or see who uses it up in the server's log"},
	KindCapacity:     {"508: the server has no port left to relay on", "widen min-port to max-port, or add a server"},
	KindRedirect:     {"300: the server sends clients to another one", "write that one into urls"},
	KindForbidden:    {"403: the server forbids it", "look at its rules (coturn: denied-peer-ip, allowed-peer-ip) and its log"},
	KindNoIPv4:       {"440: the server has no IPv4 address to relay at, and browsers ask for one", "give it one (coturn: relay-ip, external-ip)"},
	KindOpenRelay:    {"the server relays for everybody: it asked for no credential", "make it ask for one before others find it (coturn: use-auth-secret and static-auth-secret instead of no-auth)"},
	KindPrivateRelay: {"the server is on the Internet, and the relay addresses that it gives out are not", "tell it its public address (coturn: external-ip=PUBLIC/PRIVATE, or relay-ip)"},
	KindSilent:       {"something takes the connection and does not answer", "see whether the port belongs to the server, and not to something else, such as a web server; then the server's log"},
	KindNoBinding:    {"the server refuses binding requests without a credential", "take the stun: or stuns: server out of urls, or let the server answer everybody (coturn: secure-stun)"},
	KindNotRelayed:   {"the credential is good, but nothing comes through the relay", "open the relay's ports for udp in the firewalls (coturn: min-port to max-port); behind a NAT, tell it its public address (coturn: external-ip). If it stands behind the same NAT as this machine, try from elsewhere"},
	KindCertSoon:     {"the certificate ends soon", "renew it and let the server read it (coturn: SIGUSR2)"},
	KindCode:         {"the server answered with an error", "see the server's log"},
	KindConnection:   {"the connection failed", "see the server's log"},
}

// Problem says what happened.
func (f *Failure) Problem() string {
	problem := sayings[f.Kind].problem
	switch f.Kind {
	case KindTLS, KindConnection, KindResolver, KindCertUnknown:
		problem += " (" + strings.TrimPrefix(f.Err.Error(), "tls: failed to verify certificate: ") + ")"
	case KindCertName:
		problem += namesIn(f.Err)
	case KindCertExpired:
		problem += periodIn(f.Err)
	case KindNotRelayed:
		var lost *notRelayedError
		if errors.As(f.Err, &lost) {
			problem += " at " + lost.relayed.String()
		}
	case KindMismatch, KindNoBinding:
		problem = fmt.Sprintf("%d: %s", f.Code, problem)
	case KindCode:
		problem = fmt.Sprintf("%d: %s (%q)", f.Code, problem, f.reason())
	}
	return problem
}

// namesIn returns the names of a certificate that was refused for them.
func namesIn(err error) string {
	var refused x509.HostnameError
	if !errors.As(err, &refused) || refused.Certificate == nil {
		return ""
	}
	return " (" + newCertificate(refused.Certificate).someNames() + ")"
}

// periodIn returns when a certificate is good that was refused for that.
func periodIn(err error) string {
	var refused x509.CertificateInvalidError
	if !errors.As(err, &refused) || refused.Cert == nil {
		return ""
	}
	return " (" + refused.Cert.NotBefore.UTC().Format(time.DateOnly) + " to " + refused.Cert.NotAfter.UTC().Format(time.DateOnly) + ")"
}

// reason returns the words that the server sent with its error code, which may be
// anything, up to 60 characters.
func (f *Failure) reason() string {
	var turnErr *stun.TurnError
	if !errors.As(f.Err, &turnErr) {
		return ""
	}
	reason := []rune(strings.TrimRight(string(turnErr.ErrorCodeAttr.Reason), "\x00 ")) // coturn pads
	return string(reason[:min(len(reason), 60)])
}

// Cure says what to change.
func (f *Failure) Cure() string { return sayings[f.Kind].cure }

// newFailure finds out what an error means.
func newFailure(step Step, err error) *Failure {
	f := &Failure{Step: step, Err: err, Kind: KindConnection}
	var turnErr *stun.TurnError
	if errors.As(err, &turnErr) {
		f.Code = int(turnErr.ErrorCodeAttr.Code)
		f.Kind = kindOfCode(f.Code)
		if step == StepBinding && f.Kind == KindUnauthorized {
			f.Kind = KindNoBinding // there was no credential
		}
		return f
	}
	f.Kind = kindOf(step, err)
	if lost := new(notRelayedError); step == StepEcho && (errors.As(err, &lost) || f.Kind == KindTimeout) {
		f.Kind = KindNotRelayed
	}
	return f
}

func kindOfCode(code int) Kind {
	switch code {
	case 300:
		return KindRedirect
	case 401:
		return KindUnauthorized
	case 403:
		return KindForbidden
	case 440:
		return KindNoIPv4
	case 437, 441:
		return KindMismatch
	case 486:
		return KindQuota
	case 508:
		return KindCapacity
	}
	return KindCode
}

func kindOf(step Step, err error) Kind {
	var dns *net.DNSError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return KindNoName
	case errors.As(err, &dns):
		return KindResolver
	case errors.As(err, &name):
		return KindCertName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return KindCertExpired
	case errors.As(err, &authority), errors.As(err, &verification):
		return KindCertUnknown
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return KindNoRoute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.Canceled):
		return KindTimeout
	case errors.Is(err, errNotSTUN):
		return KindNotSTUN
	case errors.Is(err, errOpenRelay):
		return KindOpenRelay
	case errors.Is(err, errPrivateRelay):
		return KindPrivateRelay
	case step == StepTLS:
		return KindTLS
	}
	return KindConnection
}

// errNotSTUN is what an answer is that cannot be one.
var errNotSTUN = errors.New("not a STUN message")

// notRelayedError is that a datagram did not come through the relay.
type notRelayedError struct {
	relayed netip.AddrPort
	err     error
}

func (e *notRelayedError) Error() string {
	return "through " + e.relayed.String() + ": " + e.err.Error()
}
func (e *notRelayedError) Unwrap() error { return e.err }

// errEndsSoon is behind the failure that a certificate ends soon.
var errEndsSoon = errors.New("the certificate ends soon")

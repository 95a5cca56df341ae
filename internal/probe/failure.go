package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/pion/stun/v4"
)

// Kind says what a failure is, for programs.
type Kind string

// The kinds of failures.
const (
	KindNoName      Kind = "no-such-name"
	KindResolver    Kind = "resolver"
	KindRefused     Kind = "refused"
	KindTimeout     Kind = "timeout"
	KindNoRoute     Kind = "no-route"
	KindCertName    Kind = "certificate-name"
	KindCertExpired Kind = "certificate-expired"
	KindCertUnknown Kind = "certificate-unknown"
	KindCertSoon    Kind = "certificate-ends-soon"
	KindTLS         Kind = "tls"
	KindSilent      Kind = "silent" // accepts a connection and does not answer
	KindConnection  Kind = "connection"

	// What the server says.
	KindUnauthorized Kind = "unauthorized"    // 401
	KindPrevious     Kind = "previous-secret" // 401, but not with the previous secret
	KindClock        Kind = "clock"           // 401, but not for a later expiry
	KindUsernameForm Kind = "username-form"   // 401, but not for another form of username
	KindMismatch     Kind = "mismatch"        // 437, 441
	KindStaleNonce   Kind = "stale-nonce"     // 438
	KindQuota        Kind = "quota"           // 486
	KindCapacity     Kind = "capacity"        // 508
	KindRedirect     Kind = "redirect"        // 300
	KindForbidden    Kind = "forbidden"       // 403
	KindNoBinding    Kind = "no-binding"      // an error for a binding request
	KindNoIPv4       Kind = "no-ipv4-relay"   // 440
	KindCode         Kind = "code"            // another STUN error code

	// What is wrong with what the server says.
	KindNotSTUN           Kind = "not-stun"
	KindNoRealm           Kind = "no-realm"
	KindNoNonce           Kind = "no-nonce"
	KindIncomplete        Kind = "incomplete-answer"
	KindIntegrity         Kind = "integrity"
	KindFingerprint       Kind = "fingerprint"
	KindUnknownAttributes Kind = "unknown-attributes"
	KindStray             Kind = "wrong-transaction"
	KindElsewhere         Kind = "answer-from-elsewhere"

	// What is wrong with the relay.
	KindOpenRelay    Kind = "open-relay"
	KindPrivateRelay Kind = "private-relay"
	KindBadRelay     Kind = "bad-relay-address"
	KindNotRelayed   Kind = "not-relayed"
	KindPeer         Kind = "peer" // Options.Peer cannot be tried
)

// Failure is why a step failed.
type Failure struct {
	Step Step
	Kind Kind
	Code int // STUN error code, or 0
	Err  error

	detail string // what else is known of the problem
	cure   string // in place of the one of the Kind
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
	case StepPermission, StepEcho, StepPeer:
		return Echo
	}
	return Binding
}

// errOpenRelay is behind the failure of a server that allocated without asking for a
// credential.
var errOpenRelay = &fault{KindOpenRelay, "the server asked for no credential"}

// errEndsSoon is behind the failure that a certificate ends soon.
var errEndsSoon = errors.New("the certificate expires soon")

// newFailure finds out what an error means.
func newFailure(step Step, err error) *Failure {
	f := &Failure{Step: step, Err: err, Kind: kindOf(step, err), Code: codeOf(err)}
	var lost *notRelayedError
	switch {
	case f.Code != 0:
		f.Kind = kindOfCode(f.Code)
		if step == StepBinding && f.Kind == KindUnauthorized {
			f.Kind = KindNoBinding // there was no credential
		}
	case errors.As(err, &lost) && f.Kind != KindNotSTUN:
		f.Kind = KindNotRelayed
	}
	return f
}

func kindOfCode(code int) Kind {
	switch stun.ErrorCode(code) {
	case stun.CodeTryAlternate:
		return KindRedirect
	case stun.CodeUnauthorized:
		return KindUnauthorized
	case stun.CodeForbidden:
		return KindForbidden
	case stun.CodeStaleNonce:
		return KindStaleNonce
	case stun.CodeAddrFamilyNotSupported:
		return KindNoIPv4
	case stun.CodeAllocMismatch, stun.CodeWrongCredentials:
		return KindMismatch
	case stun.CodeAllocQuotaReached:
		return KindQuota
	case stun.CodeInsufficientCapacity:
		return KindCapacity
	}
	return KindCode
}

func kindOf(step Step, err error) Kind {
	var broken *fault
	var dns *net.DNSError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &broken):
		return broken.kind
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
	case step == StepTLS:
		return KindTLS
	}
	return KindConnection
}

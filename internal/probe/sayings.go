package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// saying is what a kind of failure is in words, and what to do about it.
type saying struct{ problem, cure string }

const updateServer = "update the TURN server; if it is current, look for something in between that changes its packets"

var sayings = map[Kind]saying{
	KindNoName:      {"no such name", "correct the host in urls, or add it to the DNS"},
	KindResolver:    {"the name cannot be resolved", "check the resolver of this machine"},
	KindRefused:     {"nothing listens at this port", "start the TURN server, or correct the port in urls; for tcp and tls the server must be told to listen there as well"},
	KindTimeout:     {"no answer", "check that the server is running, and open the port in every firewall in between, the hosting provider's too"},
	KindNoRoute:     {"this machine has no route to that address", "nothing, if clients have one (IPv6); otherwise remove the address from the DNS"},
	KindCertName:    {"the certificate is for another name", "get a certificate for the host in urls, or use the certificate's name in urls"},
	KindCertExpired: {"the certificate has expired or is not valid yet", "renew it and make the server read it (coturn: SIGUSR2); check the clocks"},
	KindCertUnknown: {"the certificate's authority is not trusted", "make the server send the whole chain (coturn: fullchain.pem as cert), or get a certificate from a public authority"},
	KindCertSoon:    {"the certificate expires soon", "renew it and make the server read it (coturn: SIGUSR2)"},
	KindTLS:         {"TLS failed", "check that the port is the one for TLS, and the server's log"},
	KindSilent:      {"it accepts the connection and does not answer", "check that the port belongs to the TURN server, not to something else such as a web server; then the server's log"},
	KindConnection:  {"the connection failed", "see the server's log"},

	KindUnauthorized: {"401: the credential is refused", "compare the shared secret with the TURN server's (coturn: static-auth-secret with use-auth-secret; with lt-cred-mech it takes fixed accounts only), and the clocks of both machines; for a fixed account, compare username and password"},
	KindPrevious:     {"401: the server still has the previous shared secret", "restart the TURN server with the new one (coturn: static-auth-secret)"},
	KindClock:        {"401: the credential has expired by the server's clock; one that expires later is accepted", "set the clocks of this machine and of the TURN server (NTP)"},
	KindUsernameForm: {"401: the secret is right, and the form of the username is not the one that the server takes", ""},
	KindMismatch:     {"the server has lost the allocation, or has it for somebody else", "try again; if it stays so, look for a load balancer that spreads one client over several servers"},
	KindStaleNonce:   {"438: the server refuses the nonce that it has just sent", "look for a load balancer that spreads one client over several servers; with coturn, check stale-nonce"},
	KindQuota:        {"486: the quota is used up", "raise user-quota or total-quota, or find in the server's log who uses it up"},
	KindCapacity:     {"508: the server has no port left to relay at", "widen min-port to max-port, or add a server"},
	KindRedirect:     {"300: the server sends clients to another one", "put that server into urls (coturn: alternate-server)"},
	KindForbidden:    {"403: the server forbids it", "check its rules (coturn: denied-peer-ip, allowed-peer-ip) and its log"},
	KindNoBinding:    {"the server refuses binding requests without a credential", "remove the stun: or stuns: URL from urls, or let the server answer everybody (coturn: remove secure-stun)"},
	KindNoIPv4:       {"440: the server has no IPv4 address to relay at, and browsers ask for one", "give it one (coturn: relay-ip, external-ip)"},
	KindCode:         {"the server answered with an error", "see the server's log"},

	KindNotSTUN:           {"what answers does not speak STUN", "correct the port in urls: it belongs to something else"},
	KindNoRealm:           {"the server asks for a credential without naming a realm, so browsers get no relay", "set the realm of the server (coturn: realm=turn.example.org; any name will do)"},
	KindNoNonce:           {"the server asks for a credential without a nonce, so clients cannot give one", updateServer},
	KindIncomplete:        {"the answer lacks what clients need", updateServer},
	KindIntegrity:         {"the MESSAGE-INTEGRITY of the answer cannot be trusted, so browsers drop it", "look for something in between that changes packets, or a second server at the same address; update the TURN server"},
	KindFingerprint:       {"the FINGERPRINT of the answer is wrong, so some clients drop it", updateServer},
	KindUnknownAttributes: {"the answer has attributes that clients do not know and must not ignore", updateServer},
	KindStray:             {"the answers have other transaction IDs than the requests, so clients drop them", "look for something in between that changes packets (SIP ALG, NAT helper, load balancer); update the server"},
	KindElsewhere:         {"the server answers from another address, so clients drop the answers", "make it listen at each address (coturn: a listening-ip line for each), and check NAT and load balancers in front of it"},

	KindOpenRelay:    {"the server relays for everybody: it asked for no credential", "make it ask for one before others find it (coturn: use-auth-secret and static-auth-secret instead of no-auth)"},
	KindPrivateRelay: {"clients that reach the server cannot reach the relay address that it gives out", "tell it its public address (coturn: external-ip=PUBLIC/PRIVATE, or relay-ip)"},
	KindBadRelay:     {"nobody can send to the relay address that the server gives out", "tell it which address to relay at (coturn: relay-ip, external-ip)"},
	KindNotRelayed:   {"the credential is accepted, but nothing comes through the relay", "open the relay's udp ports in the firewalls (coturn: min-port to max-port); behind a NAT, tell it its public address (coturn: external-ip). If it is behind the same NAT as this machine, try from elsewhere"},
	KindPeer:         {"the peer cannot be tried", "give a HOST:PORT with an IPv4 address, such as the video bridge's 192.0.2.10:10000"},
}

// ourCures are the cures where our own relay is the server; where there is none, the
// usual one goes for it too.
var ourCures = map[Kind]string{
	KindNoName:       "correct relay.host, or add it to the DNS",
	KindRefused:      "see that extdisco runs, and \"extdisco relay\" where that has the relay, and correct relay.listen or, for turns, relay.tls_listen",
	KindTimeout:      "see that extdisco runs, and open the ports of relay.listen and relay.tls_listen in every firewall in between, the hosting provider's too; behind NAT, have them forwarded",
	KindCertName:     "get a certificate for relay.host, or make relay.host a name in relay.cert_file",
	KindCertExpired:  "renew it; relay.cert_file and relay.key_file are read again within 30 seconds",
	KindCertUnknown:  "put the whole chain into relay.cert_file (fullchain.pem), or get a certificate from a public authority",
	KindCertSoon:     "renew it; relay.cert_file and relay.key_file are read again within 30 seconds",
	KindTLS:          "check that relay.tls_port leads to relay.tls_listen",
	KindSilent:       "check that the port of relay.listen, relay.tls_listen or relay.tls_port leads to extdisco, not to something else such as a web server",
	KindNotSTUN:      "check that the port of relay.listen, relay.tls_listen or relay.tls_port leads to extdisco: something else answers",
	KindUnauthorized: "the relay that runs has another secret: let all of extdisco run as one user with one relay.state_dir, or reload it after a change of relay.secret_file",
	KindQuota:        "raise relay.limits.per_user",
	KindCapacity:     "raise relay.limits.total, or widen relay.ports",
	KindForbidden:    "name the address in relay.allow_peers, with its port if it is this machine's",
	KindNoIPv4:       "add an IPv4 address of this machine to relay.public_ip",
	KindPrivateRelay: "set relay.public_ip to the address that the Internet knows this machine by",
	KindBadRelay:     "set relay.public_ip to the address that the Internet knows this machine by",
	KindNotRelayed:   "open relay.ports for udp in the firewalls, and behind NAT have them forwarded and check relay.public_ip",
}

// Cures of single cases.
const (
	cureNoTLSPort      = "start the TURN server, or correct the port in urls; coturn opens its TLS port only if cert and pkey name files that it can read (see its log), and not with no-tls"
	cureBareTimestamp  = `the server takes usernames that are a bare time (pion: NewLongTermAuthHandler); let it take "time:user" as others do (pion: LongTermTURNRESTAuthHandler)`
	cureEjabberdForm   = `it is ejabberd's own TURN server: set username_form = "ejabberd" and realm = %.100q in this [[ice_server]]`
	cureEjabberdSecret = `it takes usernames of its own form only: set username_form = "ejabberd" and realm (its host) in this [[ice_server]], and the secret of mod_stun_disco`
	cureNoAlternate    = "name the other server in its configuration (coturn: alternate-server)"
)

// Problem says what happened.
func (f *Failure) Problem() string {
	problem := sayings[f.Kind].problem
	if f.Kind == KindRedirect {
		return problem + redirection(f.Err)
	}
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
	case KindNoRealm, KindNoNonce, KindIncomplete, KindIntegrity, KindUnknownAttributes, KindElsewhere, KindPrivateRelay, KindBadRelay, KindPeer:
		problem += detailIn(f.Err)
	}
	return problem + f.detail
}

// Cure says what to change.
func (f *Failure) Cure() string {
	switch {
	case f.cure != "":
		return f.cure
	case f.Kind == KindRedirect && redirection(f.Err) == "":
		return cureNoAlternate
	}
	return sayings[f.Kind].cure
}

// detailIn returns what a fault says of itself.
func detailIn(err error) string {
	var broken *fault
	if !errors.As(err, &broken) {
		return ""
	}
	return " (" + broken.detail + ")"
}

// redirection returns the server in a 300.
func redirection(err error) string {
	var redirect *redirectError
	if !errors.As(err, &redirect) || redirect.server == "" {
		return ""
	}
	return ", " + redirect.server
}

// namesIn returns the names of a certificate that was refused for them.
func namesIn(err error) string {
	var refused x509.HostnameError
	if !errors.As(err, &refused) || refused.Certificate == nil {
		return ""
	}
	return " (" + newCertificate(refused.Certificate).someNames() + ")"
}

// periodIn returns when a certificate is valid that was refused for that.
func periodIn(err error) string {
	var refused x509.CertificateInvalidError
	if !errors.As(err, &refused) || refused.Cert == nil {
		return ""
	}
	return " (" + refused.Cert.NotBefore.UTC().Format(time.DateOnly) + " to " + refused.Cert.NotAfter.UTC().Format(time.DateOnly) + ")"
}

// reason returns the words that the server sent with its error code, up to 60
// characters of them. They may be anything.
func (f *Failure) reason() string {
	var refused *stun.TurnError
	if !errors.As(f.Err, &refused) {
		return ""
	}
	reason := []rune(strings.TrimRight(string(refused.ErrorCodeAttr.Reason), "\x00 ")) // coturn pads
	return string(reason[:min(len(reason), 60)])
}

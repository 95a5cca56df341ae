package probe

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// badly adds an attribute whose value is wrong.
func badly(t stun.AttrType, size int) stun.Setter {
	return stun.RawAttribute{Type: t, Value: make([]byte, size)}
}

// What browsers drop, or give up on, is a failure, whatever other clients forgive.
func TestFaultsOfAllocations(t *testing.T) {
	t.Parallel()
	unauthorized := func(m *stun.Message, attributes ...stun.Setter) []byte {
		return reply(m, stun.ClassErrorResponse, append([]stun.Setter{stun.CodeUnauthorized}, attributes...)...)
	}
	realm, nonce := stun.NewRealm("example.org"), stun.NewNonce("nonce")
	// then answers the authenticated request; the one before was asked for a credential.
	then := func(answer func(m *stun.Message) []byte) func(int, *stun.Message) []byte {
		return func(n int, m *stun.Message) []byte {
			if n == 0 {
				return challenge(m)
			}
			return answer(m)
		}
	}
	tests := []struct {
		name    string
		answer  func(n int, m *stun.Message) []byte
		want    Kind // "" if all is well
		problem string
		cure    string
	}{
		{"all is well", then(allocated), "", "", ""},
		{"no REALM", func(_ int, m *stun.Message) []byte { return unauthorized(m, nonce) }, KindNoRealm, "(no REALM)", "realm="},
		{"an empty REALM", func(_ int, m *stun.Message) []byte { return unauthorized(m, badly(stun.AttrRealm, 0), nonce) }, KindNoRealm, "(an empty REALM)", "realm="},
		{"no NONCE", func(_ int, m *stun.Message) []byte { return unauthorized(m, realm) }, KindNoNonce, "(no NONCE)", "update"},
		{"an empty NONCE", func(_ int, m *stun.Message) []byte { return unauthorized(m, realm, badly(stun.AttrNonce, 0)) }, KindNoNonce, "(an empty NONCE)", "update"},
		{"a 401 without anything", func(_ int, m *stun.Message) []byte { return unauthorized(m) }, KindNoRealm, "(no REALM)", "realm="},
		{"no ERROR-CODE", func(_ int, m *stun.Message) []byte { return reply(m, stun.ClassErrorResponse, realm, nonce) }, KindIncomplete, "without ERROR-CODE", "update"},
		{"no MESSAGE-INTEGRITY", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassSuccessResponse, relayedAt, mappedAt, lifetime)
		}), KindIntegrity, "(it has none)", "update"},
		{"a wrong MESSAGE-INTEGRITY", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassSuccessResponse, relayedAt, mappedAt, lifetime, stun.NewShortTermIntegrity("another"))
		}), KindIntegrity, "(it is wrong)", "changes packets"},
		{"a wrong FINGERPRINT", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassSuccessResponse, relayedAt, mappedAt, lifetime, testKey, badly(stun.AttrFingerprint, 4))
		}), KindFingerprint, "some clients", "update"},
		{"no XOR-RELAYED-ADDRESS", then(func(m *stun.Message) []byte { return signed(m, mappedAt, lifetime) }), KindIncomplete, "(no XOR-RELAYED-ADDRESS)", "update"},
		{"no LIFETIME", then(func(m *stun.Message) []byte { return signed(m, relayedAt, mappedAt) }), KindIncomplete, "(no LIFETIME)", "update"},
		{"a LIFETIME of two bytes", then(func(m *stun.Message) []byte { return signed(m, relayedAt, mappedAt, badly(stun.AttrLifetime, 2)) }), KindIncomplete, "(no LIFETIME)", "update"},
		{"no XOR-MAPPED-ADDRESS", then(func(m *stun.Message) []byte { return signed(m, relayedAt, lifetime) }), KindIncomplete, "(no XOR-MAPPED-ADDRESS)", "update"},
		{"nothing at all", then(func(m *stun.Message) []byte { return signed(m) }), KindIncomplete, "(no XOR-RELAYED-ADDRESS, no LIFETIME, no XOR-MAPPED-ADDRESS)", "update"},
		{"a relay at 0.0.0.0", then(func(m *stun.Message) []byte {
			return signed(m, addressAs(stun.AttrXORRelayedAddress, "0.0.0.0:49152"), mappedAt, lifetime)
		}), KindBadRelay, "(0.0.0.0:49152)", "relay-ip"},
		{"a relay at port 0", then(func(m *stun.Message) []byte {
			return signed(m, addressAs(stun.AttrXORRelayedAddress, "127.0.0.1:0"), mappedAt, lifetime)
		}), KindBadRelay, "(127.0.0.1:0)", "relay-ip"},
		{"a relay at a multicast address", then(func(m *stun.Message) []byte {
			return signed(m, addressAs(stun.AttrXORRelayedAddress, "224.0.0.1:49152"), mappedAt, lifetime)
		}), KindBadRelay, "(224.0.0.1:49152)", "relay-ip"},
		{"attributes that nobody knows", then(func(m *stun.Message) []byte {
			return signed(m, relayedAt, mappedAt, lifetime, badly(0x7abc, 4), badly(0x001c, 32))
		}), KindUnknownAttributes, "(0x7abc, 0x001c)", "update"},
		{"attributes that may be ignored", then(func(m *stun.Message) []byte {
			return signed(m, relayedAt, mappedAt, lifetime, badly(0x8abc, 4), stun.NewSoftware("a server"))
		}), "", "", ""},
		{"attributes that nobody knows in the challenge", func(_ int, m *stun.Message) []byte {
			return unauthorized(m, realm, nonce, badly(0x7abc, 4))
		}, KindUnknownAttributes, "(0x7abc)", "update"},
		{"a nonce that is stale at once", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassErrorResponse, stun.CodeStaleNonce, realm, stun.NewNonce("another"))
		}), KindStaleNonce, "438", "load balancer"},
		{"sent elsewhere", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassErrorResponse, stun.CodeTryAlternate, &stun.AlternateServer{IP: net.IPv4(192, 0, 2, 9), Port: 3479})
		}), KindRedirect, "300: the server sends clients to another one, 192.0.2.9:3479", "urls"},
		{"sent elsewhere by name", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassErrorResponse, stun.CodeTryAlternate, &stun.AlternateServer{IP: net.IPv4(192, 0, 2, 9), Port: 3479},
				stun.RawAttribute{Type: stun.AttrAlternateDomain, Value: []byte("two.example.org")})
		}), KindRedirect, `, "two.example.org" at 192.0.2.9:3479`, "urls"},
		{"sent elsewhere, to nobody", then(func(m *stun.Message) []byte {
			return reply(m, stun.ClassErrorResponse, stun.CodeTryAlternate)
		}), KindRedirect, "300", "alternate-server"},
		{"another transaction", then(func(m *stun.Message) []byte {
			other := &stun.Message{Type: m.Type, TransactionID: stun.NewTransactionID()}
			return reply(other, stun.ClassSuccessResponse, relayedAt, mappedAt, lifetime, testKey)
		}), KindStray, "transaction", "ALG"},
		{"another method", then(func(m *stun.Message) []byte {
			other := &stun.Message{Type: stun.NewType(stun.MethodRefresh, stun.ClassRequest), TransactionID: m.TransactionID}
			return reply(other, stun.ClassSuccessResponse, relayedAt, mappedAt, lifetime, testKey)
		}), KindTimeout, "no answer", "firewall"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := Try(t.Context(), relaying(t, tt.answer), Options{Depth: Allocate, Timeout: 2 * time.Second}).Addresses[0]
			f := a.Failure
			if f == nil {
				if tt.want != "" {
					t.Errorf("no failure: %+v", a)
				}
				return
			}
			if f.Kind != tt.want || f.Step != StepAllocate || !strings.Contains(f.Problem(), tt.problem) || !strings.Contains(f.Cure(), tt.cure) {
				t.Errorf("%q: %q; %q, want %q: %q; %q", f.Kind, f, f.Cure(), tt.want, tt.problem, tt.cure)
			}
		})
	}
}

// What clients forgive impairs a server, and what they do not makes it useless.
func TestWhichFaultsAreOutages(t *testing.T) {
	t.Parallel()
	to := &redirectError{&stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: 300}}, "192.0.2.9:3478"}
	for err, want := range map[error]bool{
		errFingerprint: true, errOpenRelay: true, to: true, &redirectError{to.refused, ""}: false, errStray: false,
		&fault{KindNoRealm, ""}: false, &fault{KindIntegrity, ""}: false, &fault{KindIncomplete, ""}: false, &fault{KindPrivateRelay, ""}: true, &fault{KindBadRelay, ""}: false,
	} {
		if f := newFailure(StepAllocate, err); isNoOutage(f) != want {
			t.Errorf("%s: %v", f, !want)
		}
	}
}

// A STUN server must tell clients their address.
func TestFaultsOfBindings(t *testing.T) {
	t.Parallel()
	answer := func(attributes ...stun.Setter) func(int, []byte) [][]byte {
		return func(_ int, request []byte) [][]byte {
			m, err := parseMessage(request)
			if err != nil {
				return nil
			}
			return [][]byte{reply(m, stun.ClassSuccessResponse, attributes...)}
		}
	}
	tests := []struct {
		name  string
		reply func(int, []byte) [][]byte
		want  Kind
	}{
		{"XOR-MAPPED-ADDRESS", answer(mappedAt), ""},
		{"MAPPED-ADDRESS, as in RFC 3489", answer(&stun.MappedAddress{IP: net.IPv4(127, 0, 0, 1), Port: 40000}), ""},
		{"no address", answer(), KindIncomplete},
		{"0.0.0.0", answer(addressAs(stun.AttrXORMappedAddress, "0.0.0.0:40000")), KindIncomplete},
		{"a malformed address", answer(badly(stun.AttrXORMappedAddress, 3)), KindIncomplete},
		{"attributes that nobody knows", answer(mappedAt, badly(0x7abc, 4)), KindUnknownAttributes},
		{"a good FINGERPRINT", answer(mappedAt, stun.Fingerprint), ""},
		{"a wrong FINGERPRINT", answer(mappedAt, badly(stun.AttrFingerprint, 4)), KindFingerprint},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := Try(t.Context(), answering(t, tt.reply), Options{Timeout: time.Second}).Worst()
			if (f == nil) != (tt.want == "") || f != nil && (f.Kind != tt.want || f.Step != StepBinding) {
				t.Errorf("%v, want %q", f, tt.want)
			}
		})
	}
}

// A server on a machine with several addresses may answer from the wrong one.
func TestAnswersFromElsewhere(t *testing.T) {
	t.Parallel()
	asked, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { asked.Close(); other.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, maxMessage)
		for {
			n, from, err := asked.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = other.WriteTo(success(buffer[:n]), from)
		}
	}()
	port := asked.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	s := Server{Type: TypeSTUN, Host: "127.0.0.1", Port: port, Transport: "udp"}
	f := Try(t.Context(), s, Options{Timeout: 5 * time.Second}).Worst()
	if f == nil || f.Kind != KindElsewhere || !strings.Contains(f.Problem(), other.LocalAddr().String()) || !strings.Contains(f.Cure(), "listening-ip") {
		t.Errorf("%v", f)
	}
}

func TestReachIsNoted(t *testing.T) {
	t.Parallel()
	tests := []struct{ address, want string }{
		{"127.0.0.1", noteLoopback}, {"127.0.1.1", noteLoopback}, {"::1", noteLoopback},
		{"10.0.0.5", notePrivate}, {"192.168.1.5", notePrivate}, {"169.254.1.1", notePrivate}, {"100.64.0.1", notePrivate}, {"fd00::5", notePrivate}, {"fe80::1", notePrivate},
		{"192.0.2.1", ""}, {"2001:db8::1", ""},
	}
	for _, tt := range tests {
		a := &attempt{result: AddressResult{Address: netip.AddrPortFrom(netip.MustParseAddr(tt.address), 3478)}}
		a.noteReach()
		if got := strings.Join(a.result.Notes, "; "); got != tt.want {
			t.Errorf("%s: %q", tt.address, got)
		}
	}
}

// A server on the Internet that sees us at a private address is behind something that
// hides clients.
func TestHiddenClientsAreNoted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		server, mapped string
		want           bool
	}{{"192.0.2.1", "172.17.0.1", true}, {"192.0.2.1", "198.51.100.7", false}, {"10.0.0.5", "10.0.0.9", false}, {"192.0.2.1", "", false}} {
		a := &attempt{result: AddressResult{Address: netip.AddrPortFrom(netip.MustParseAddr(tt.server), 3478)}}
		var mapped netip.AddrPort
		if tt.mapped != "" {
			mapped = netip.AddrPortFrom(netip.MustParseAddr(tt.mapped), 40000)
		}
		a.noteGreeting(greeting{StepResult{StepBinding, time.Millisecond}, mapped})
		if got := slices.Contains(a.result.Notes, noteHidden); got != tt.want || a.mapped != mapped || a.result.RoundTrip() != time.Millisecond {
			t.Errorf("%v: %+v", tt, a.result)
		}
	}
}

// closedPort returns a port where nothing listens, and nothing can during the test.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(address.(*syscall.SockaddrInet4).Port)
}

// Coturn opens no TLS port when it cannot read the certificate.
func TestClosedTLSPort(t *testing.T) {
	t.Parallel()
	port := closedPort(t)
	for typ, want := range map[string]bool{TypeTURN: false, TypeTURNS: true, TypeSTUNS: true} {
		f := Try(t.Context(), Server{Type: typ, Host: "127.0.0.1", Port: port, Transport: "tcp"}, Options{Timeout: time.Second}).Worst()
		if f == nil || f.Kind != KindRefused || strings.Contains(f.Cure(), "cert and pkey") != want {
			t.Errorf("%s: %v; %q", typ, f, f.Cure())
		}
	}
}

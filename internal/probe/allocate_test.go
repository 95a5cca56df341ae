package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/secret"
)

// relaying is a TURN server by a script: allocate says what to answer to an Allocate,
// counted from 0.
func relaying(t *testing.T, allocate func(n int, m *stun.Message) []byte) Server {
	t.Helper()
	allocates := 0
	s := answering(t, func(_ int, request []byte) [][]byte {
		m := new(stun.Message)
		if stun.Decode(request, m) != nil {
			return nil
		}
		switch m.Type.Method {
		case stun.MethodBinding:
			return [][]byte{success(request)}
		case stun.MethodAllocate:
			if m.Contains(stun.AttrRequestedAddressFamily) {
				t.Error("asks for an address family: servers that relay over IPv4 only would refuse")
			}
			if stun.Fingerprint.Check(m) != nil {
				t.Error("a request without FINGERPRINT")
			}
			allocates++
			return [][]byte{allocate(allocates-1, m)}
		}
		return [][]byte{signed(m, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})}
	})
	s.Type, s.Username, s.Password = TypeTURN, "1:healthcheck", secret.New("password")
	return s
}

// testKey is the key of the credential that [relaying] is tried with.
var testKey = stun.NewLongTermIntegrity("1:healthcheck", "example.org", "password")

func reply(m *stun.Message, class stun.MessageClass, attributes ...stun.Setter) []byte {
	setters := append([]stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(m.Type.Method, class)}, attributes...)
	return stun.MustBuild(setters...).Raw
}

// challenge asks for a credential.
func challenge(m *stun.Message) []byte {
	return reply(m, stun.ClassErrorResponse, stun.CodeUnauthorized, stun.NewRealm("example.org"), stun.NewNonce("nonce"))
}

// signed is a success response as a server signs it for an authenticated request.
func signed(m *stun.Message, attributes ...stun.Setter) []byte {
	if m.Contains(stun.AttrMessageIntegrity) {
		attributes = append(attributes, testKey)
	}
	return reply(m, stun.ClassSuccessResponse, append(attributes, stun.Fingerprint)...)
}

// Attributes of the response to an Allocate.
var (
	relayedAt = addressAs(stun.AttrXORRelayedAddress, "127.0.0.1:49152")
	mappedAt  = addressAs(stun.AttrXORMappedAddress, "127.0.0.1:40000")
	lifetime  = stun.RawAttribute{Type: stun.AttrLifetime, Value: []byte{0, 0, 2, 88}}
)

func addressAs(t stun.AttrType, address string) stun.Setter {
	return setter(func(m *stun.Message) error {
		a := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address))
		return stun.XORMappedAddress{IP: a.IP, Port: a.Port}.AddToAs(m, t)
	})
}

// allocated says that there is a relay address.
func allocated(m *stun.Message) []byte { return signed(m, relayedAt, mappedAt, lifetime) }

type setter func(*stun.Message) error

func (s setter) AddTo(m *stun.Message) error { return s(m) }

// What a server refuses with before it asks for a credential is told like what comes
// afterwards.
func TestRefusalsBeforeTheCredential(t *testing.T) {
	t.Parallel()
	for code, want := range map[stun.ErrorCode]Kind{
		stun.CodeTryAlternate: KindRedirect, stun.CodeForbidden: KindForbidden, stun.CodeAllocMismatch: KindMismatch,
		stun.CodeStaleNonce: KindStaleNonce, stun.CodeWrongCredentials: KindMismatch, stun.CodeAllocQuotaReached: KindQuota, stun.CodeInsufficientCapacity: KindCapacity,
		stun.CodeAddrFamilyNotSupported: KindNoIPv4, stun.CodeServerError: KindCode,
	} {
		for _, asks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d asks=%v", code, asks), func(t *testing.T) {
				t.Parallel()
				s := relaying(t, func(n int, m *stun.Message) []byte {
					if asks && n == 0 {
						return challenge(m)
					}
					return reply(m, stun.ClassErrorResponse, code)
				})
				f := Try(t.Context(), s, Options{Depth: Allocate}).Worst()
				if f == nil || f.Kind != want || f.Code != int(code) || f.Step != StepAllocate {
					t.Errorf("%+v, want %s", f, want)
				}
			})
		}
	}
}

// One that falls silent once it has asked for a credential has not refused it, and an
// empty datagram is no answer.
func TestSilenceAfterTheChallenge(t *testing.T) {
	t.Parallel()
	s := relaying(t, func(n int, m *stun.Message) []byte {
		if n == 0 {
			return challenge(m)
		}
		return []byte{}
	})
	if f := Try(t.Context(), s, Options{Depth: Allocate, Timeout: 300 * time.Millisecond}).Worst(); f == nil || f.Kind != KindTimeout || f.Step != StepAllocate {
		t.Errorf("%+v", f)
	}
}

// A nonce that has become stale is replaced once.
func TestStaleNonces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stale int // how many requests for a permission are refused
		want  Kind
	}{{"fresh", 0, ""}, {"stale once", 1, ""}, {"stale always", 9, KindStaleNonce}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refused := 0
			allocates := 0
			s := answering(t, func(_ int, request []byte) [][]byte {
				m, err := parseMessage(request)
				switch {
				case err != nil:
					return nil
				case m.Type.Method == stun.MethodBinding:
					return [][]byte{success(request)}
				case m.Type.Method == stun.MethodAllocate:
					if allocates++; allocates == 1 {
						return [][]byte{challenge(m)}
					}
					return [][]byte{allocated(m)}
				case m.Type.Method == stun.MethodCreatePermission && refused < tt.stale:
					refused++
					return [][]byte{reply(m, stun.ClassErrorResponse, stun.CodeStaleNonce, stun.NewRealm("example.org"), stun.NewNonce(fmt.Sprint("nonce ", refused)))}
				case m.Type.Method == stun.MethodCreatePermission:
					var nonce stun.Nonce
					if nonce.GetFrom(m) != nil || tt.stale > 0 && nonce.String() != "nonce 1" {
						t.Errorf("nonce %s", nonce)
					}
					return [][]byte{reply(m, stun.ClassErrorResponse, stun.CodeForbidden)}
				}
				return [][]byte{signed(m)}
			})
			s.Type, s.Username, s.Password = TypeTURN, "1:healthcheck", secret.New("password")
			a := Try(t.Context(), s, Options{Depth: Echo, Timeout: 5 * time.Second}).Addresses[0]
			if f := a.Failure; (f == nil) != (tt.want == "") || f != nil && (f.Kind != tt.want || f.Step != StepPermission) {
				t.Errorf("%v", f)
			}
			if f := a.Failure; f == nil && !slices.Contains(a.Notes, NoteNoEcho) {
				t.Errorf("%q", a.Notes)
			}
		})
	}
}

// The addresses of a name are tried side by side, and make allocations one at a time.
func TestAddressesSideBySide(t *testing.T) {
	t.Parallel()
	const addresses = 3
	var greeted [][]byte
	open := 0
	s := answering(t, func(_ int, request []byte) [][]byte {
		m, err := parseMessage(request)
		switch {
		case err != nil:
			return nil
		case m.Type.Method == stun.MethodBinding:
			if !slices.ContainsFunc(greeted, func(r []byte) bool { return slices.Equal(r, request) }) {
				greeted = append(greeted, slices.Clone(request))
			}
			if len(greeted) < addresses {
				return nil // until all have asked; each asks again
			}
			return [][]byte{success(request)}
		case m.Type.Method == stun.MethodAllocate && !m.Contains(stun.AttrMessageIntegrity):
			return [][]byte{challenge(m)}
		case m.Type.Method == stun.MethodAllocate:
			if open++; open > 1 {
				return [][]byte{reply(m, stun.ClassErrorResponse, stun.CodeAllocQuotaReached)}
			}
			return [][]byte{allocated(m)}
		}
		open--
		return [][]byte{signed(m)}
	})
	s.Type, s.Username, s.Password, s.Host = TypeTURN, "1:healthcheck", secret.New("password"), "turn.example.org"
	r := Try(t.Context(), s, Options{Depth: Allocate, Timeout: 8 * time.Second, Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return slices.Repeat([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, addresses), nil
	}})
	if !r.OK() || len(r.Addresses) != addresses {
		t.Errorf("%v, %+v", r.Worst(), r.Addresses)
	}
}

// A server that asks for nothing is found out, and its allocation freed.
func TestOpenRelay(t *testing.T) {
	t.Parallel()
	freed := make(chan struct{}, 1)
	s := answering(t, func(_ int, request []byte) [][]byte {
		m := new(stun.Message)
		if stun.Decode(request, m) != nil {
			return nil
		}
		switch m.Type.Method {
		case stun.MethodBinding:
			return [][]byte{success(request)}
		case stun.MethodAllocate:
			return [][]byte{allocated(m)}
		}
		freed <- struct{}{}
		return [][]byte{reply(m, stun.ClassSuccessResponse)}
	})
	s.Type = TypeTURN
	if f := Try(t.Context(), s, Options{Depth: Echo}).Worst(); f == nil || f.Kind != KindOpenRelay || f.Step != StepAllocate {
		t.Errorf("%+v", f)
	}
	select {
	case <-freed:
	default:
		t.Error("the allocation was not freed")
	}
}

// The allocation is given back, and a Refresh that is lost is sent again.
func TestRefreshIsSentAgain(t *testing.T) {
	t.Parallel()
	refreshes, allocates, again := 0, 0, make(chan struct{}, 8)
	s := answering(t, func(_ int, request []byte) [][]byte {
		m := new(stun.Message)
		if stun.Decode(request, m) != nil {
			return nil
		}
		switch m.Type.Method {
		case stun.MethodBinding:
			return [][]byte{success(request)}
		case stun.MethodRefresh:
			if refreshes++; refreshes == 1 {
				return nil
			}
			again <- struct{}{}
			return [][]byte{signed(m)}
		}
		if allocates++; allocates == 1 {
			return [][]byte{challenge(m)}
		}
		return [][]byte{allocated(m)}
	})
	s.Type, s.Username, s.Password = TypeTURN, "1:healthcheck", secret.New("password")
	start := time.Now()
	r := Try(t.Context(), s, Options{Depth: Allocate})
	if !r.OK() || r.Addresses[0].Relayed.String() != "127.0.0.1:49152" {
		t.Errorf("%v, relays at %v", r.Worst(), r.Addresses[0].Relayed)
	}
	select {
	case <-again:
	default:
		t.Errorf("after %v: no second Refresh was waited for", time.Since(start))
	}
}

func TestPrivateRelay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		server, relay string
		want          bool
	}{
		{"192.0.2.1", "192.0.2.1", false},
		{"192.0.2.1", "198.51.100.7", false},
		{"192.0.2.1", "10.0.0.5", true},
		{"192.0.2.1", "172.17.0.2", true},
		{"192.0.2.1", "127.0.0.1", true},
		{"192.0.2.1", "0.0.0.0", true},
		{"192.0.2.1", "169.254.1.1", true},
		{"192.0.2.1", "100.64.3.2", true},
		{"192.0.2.1", "100.128.0.1", false},
		{"2001:db8::1", "10.0.0.5", true},
		{"10.0.0.5", "10.0.0.5", false},
		{"10.0.0.5", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", false},
		{"fd00::1", "10.0.0.5", false},
	}
	for _, tt := range tests {
		t.Run(tt.server+" relays at "+tt.relay, func(t *testing.T) {
			if got := isPrivateRelay(netip.MustParseAddr(tt.server), netip.MustParseAddr(tt.relay)); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if f := newFailure(StepAllocate, &fault{KindPrivateRelay, "10.0.0.5"}); f.Kind != KindPrivateRelay || !isNoOutage(f) {
		t.Errorf("%+v", f)
	}
}

// A program that takes the connection and says nothing is no firewall.
func TestSilentOverTCP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // the kernel takes connections all the same
	s := Server{Type: TypeTURN, Host: "127.0.0.1", Port: uint16(listener.Addr().(*net.TCPAddr).Port), Transport: "tcp"}
	if f := Try(t.Context(), s, Options{Timeout: 200 * time.Millisecond}).Worst(); f == nil || f.Kind != KindSilent || f.Step != StepBinding {
		t.Errorf("%+v", f)
	}
}

package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

func TestFailureKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		step Step
		err  error
		want Kind
	}{
		{"no such name", StepResolve, &net.DNSError{IsNotFound: true}, KindNoName},
		{"resolver", StepResolve, &net.DNSError{IsTemporary: true}, KindResolver},
		{"refused", StepConnect, &net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, KindRefused},
		{"no route", StepConnect, &net.OpError{Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, KindNoRoute},
		{"no such host", StepConnect, os.NewSyscallError("connect", syscall.EHOSTUNREACH), KindNoRoute},
		{"time-out of the connection", StepBinding, os.ErrDeadlineExceeded, KindTimeout},
		{"time-out of all", StepAllocate, context.DeadlineExceeded, KindTimeout},
		{"name of the certificate", StepTLS, x509.HostnameError{Certificate: new(x509.Certificate), Host: "turn.example.org"}, KindCertName},
		{"expired", StepTLS, x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.Expired}, KindCertExpired},
		{"unknown authority", StepTLS, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, KindCertUnknown},
		{"no TLS there", StepTLS, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, KindTLS},
		{"no STUN there", StepBinding, fmt.Errorf("odd: %w", errNotSTUN), KindNotSTUN},
		{"300", StepAllocate, code(300), KindRedirect},
		{"401", StepAllocate, fmt.Errorf("allocate: %w", code(401)), KindUnauthorized},
		{"403", StepPermission, code(403), KindForbidden},
		{"437", StepAllocate, code(437), KindMismatch},
		{"438", StepAllocate, code(438), KindStaleNonce},
		{"440", StepAllocate, code(440), KindNoIPv4},
		{"441", StepAllocate, code(441), KindMismatch},
		{"486", StepAllocate, code(486), KindQuota},
		{"508", StepAllocate, code(508), KindCapacity},
		{"401 without a credential", StepBinding, code(401), KindNoBinding},
		{"another code", StepAllocate, code(442), KindCode},
		{"a breach of the protocol", StepAllocate, fmt.Errorf("odd: %w", &fault{KindNoRealm, "no REALM"}), KindNoRealm},
		{"nothing through the relay", StepEcho, &notRelayedError{err: os.ErrDeadlineExceeded}, KindNotRelayed},
		{"anything else", StepEcho, errors.New("odd"), KindConnection},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFailure(tt.step, tt.err)
			if f.Kind != tt.want || f.Problem() == "" || f.Cure() == "" || !strings.HasPrefix(f.Error(), string(tt.step)+": ") {
				t.Errorf("%q: %q; %q", f.Kind, f, f.Cure())
			}
		})
	}
}

// What is known only from an allocation, or from relaying, is not disproved by less.
func TestDepthOfFailures(t *testing.T) {
	t.Parallel()
	for step, want := range map[Step]Depth{StepResolve: Binding, StepConnect: Binding, StepTLS: Binding, StepBinding: Binding, StepAllocate: Allocate, StepPermission: Echo, StepEcho: Echo, StepPeer: Echo} {
		if got := newFailure(step, os.ErrDeadlineExceeded).depth(); got != want {
			t.Errorf("%s: %d, want %d", step, got, want)
		}
	}
}

func TestNotRelayed(t *testing.T) {
	t.Parallel()
	err := &notRelayedError{netip.MustParseAddrPort("192.0.2.1:50000"), os.ErrDeadlineExceeded}
	f := newFailure(StepEcho, err)
	if f.Kind != KindNotRelayed || !strings.Contains(err.Error(), "192.0.2.1:50000") || !strings.HasSuffix(f.Problem(), " at 192.0.2.1:50000") || !errors.Is(f, os.ErrDeadlineExceeded) {
		t.Errorf("%q: %s", f.Kind, f)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	good, noRoute, down := AddressResult{}, AddressResult{Failure: newFailure(StepConnect, syscall.ENETUNREACH)}, AddressResult{Failure: newFailure(StepConnect, syscall.ECONNREFUSED)}
	tests := []struct {
		name      string
		addresses []AddressResult
		want      Kind
	}{
		{"all good", []AddressResult{good, good}, ""},
		{"one is down", []AddressResult{good, down}, KindRefused},
		{"no route to one of them", []AddressResult{noRoute, good}, ""},
		{"no route to any", []AddressResult{noRoute, noRoute}, KindNoRoute},
		{"no route and down", []AddressResult{noRoute, down}, KindRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Result{Addresses: tt.addresses}.Worst()
			if (f == nil) != (tt.want == "") || f != nil && f.Kind != tt.want {
				t.Errorf("%v, want %q", f, tt.want)
			}
		})
	}
}

// answering listens on UDP and answers each datagram with what reply returns.
func answering(t *testing.T, reply func(n int, request []byte) [][]byte) Server {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, maxMessage)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, answer := range reply(n, buffer[:size]) {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return Server{Type: TypeSTUN, Host: "127.0.0.1", Port: uint16(conn.LocalAddr().(*net.UDPAddr).Port), Transport: "udp"}
}

// success returns the answer to a binding request.
func success(request []byte) []byte {
	m := new(stun.Message)
	if stun.Decode(request, m) != nil {
		return nil
	}
	return stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 7), Port: 40000}).Raw
}

func TestBindingOverUDP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply func(n int, request []byte) [][]byte
		want  Kind
	}{
		{"answered", func(_ int, r []byte) [][]byte { return [][]byte{success(r)} }, ""},
		{"the first is lost", func(n int, r []byte) [][]byte {
			if n == 0 {
				return nil
			}
			return [][]byte{success(r)}
		}, ""},
		{"one that is lost twice", func(n int, r []byte) [][]byte {
			if n < 2 {
				return nil
			}
			return [][]byte{success(r)}
		}, KindTimeout},
		{"rubbish and somebody else's answer before", func(_ int, r []byte) [][]byte {
			other := stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw
			return [][]byte{[]byte("HTTP/1.1 400"), {}, other, success(r)}
		}, ""},
		{"an error", func(_ int, r []byte) [][]byte {
			m := new(stun.Message)
			if stun.Decode(r, m) != nil {
				return nil
			}
			return [][]byte{stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(stun.MethodBinding, stun.ClassErrorResponse), stun.CodeServerError).Raw}
		}, KindCode},
		{"somebody else's answer alone", func(int, []byte) [][]byte {
			return [][]byte{stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw}
		}, KindStray},
		{"indications alone", func(int, []byte) [][]byte {
			return [][]byte{stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw}
		}, KindTimeout},
		{"nothing", func(int, []byte) [][]byte { return nil }, KindTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Try(t.Context(), answering(t, tt.reply), Options{Timeout: 1200 * time.Millisecond})
			if f := r.Worst(); (f == nil) != (tt.want == "") || f != nil && f.Kind != tt.want {
				t.Errorf("%v, want %q", f, tt.want)
			}
		})
	}
}

func TestBindingOverTCP(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(request []byte) []byte
		want   Kind
	}{
		"answered":     {success, ""},
		"a web server": {func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, KindNotSTUN},
		"a length of too much": {func([]byte) []byte {
			return append([]byte{1, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
		}, KindNotSTUN},
		"closed": {func([]byte) []byte { return nil }, KindConnection},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			t.Cleanup(func() { l.Close(); <-done })
			go func() {
				defer close(done)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				buffer := make([]byte, maxMessage)
				n, err := conn.Read(buffer)
				if err == nil {
					_, _ = conn.Write(tt.answer(buffer[:n]))
				}
			}()
			s := Server{Type: TypeSTUN, Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), Transport: "tcp"}
			f := Try(t.Context(), s, Options{Timeout: 1200 * time.Millisecond}).Worst()
			if (f == nil) != (tt.want == "") || f != nil && f.Kind != tt.want {
				t.Errorf("%v, want %q", f, tt.want)
			}
		})
	}
}

// failing returns the answer to a request that it was refused.
func failing(request []byte, code stun.ErrorCode) []byte {
	m := new(stun.Message)
	if stun.Decode(request, m) != nil {
		return nil
	}
	return stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(m.Type.Method, stun.ClassErrorResponse), code).Raw
}

// A TURN server may be told not to answer binding requests. It is there all the same.
func TestServersThatAnswerTURNOnly(t *testing.T) {
	t.Parallel()
	isBinding := func(r []byte) bool {
		m := new(stun.Message)
		return stun.Decode(r, m) == nil && m.Type == stun.BindingRequest
	}
	tests := []struct {
		name       string
		serverType string
		reply      func(n int, request []byte) [][]byte
		want       Kind
		step       Step
	}{
		{"binding requests are passed over", TypeTURN, func(_ int, r []byte) [][]byte {
			if isBinding(r) {
				return nil
			}
			return [][]byte{failing(r, stun.CodeUnauthorized)}
		}, "", StepRefresh},
		{"binding requests are refused", TypeTURN, func(_ int, r []byte) [][]byte { return [][]byte{failing(r, stun.CodeUnauthorized)} }, "", StepRefresh},
		{"of a STUN server they must be answered", TypeSTUN, func(_ int, r []byte) [][]byte { return [][]byte{failing(r, stun.CodeUnauthorized)} }, KindNoBinding, ""},
		{"a STUN server is not asked for anything else", TypeSTUN, func(_ int, r []byte) [][]byte {
			if !isBinding(r) {
				t.Error("asked for something else")
			}
			return nil
		}, KindTimeout, ""},
		{"what only sends back what it gets is no server", TypeTURN, func(_ int, r []byte) [][]byte { return [][]byte{r} }, KindNotSTUN, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, tt.reply)
			s.Type = tt.serverType
			a := Try(t.Context(), s, Options{Timeout: 1200 * time.Millisecond}).Addresses[0]
			if f := a.Failure; (f == nil) != (tt.want == "") || f != nil && f.Kind != tt.want {
				t.Errorf("%v, want %q", f, tt.want)
			}
			if last := a.Steps[len(a.Steps)-1]; tt.step != "" && (last.Step != tt.step || !slices.Contains(a.Notes, noteTURNOnly) || a.RoundTrip() == 0 || a.RoundTrip() > 400*time.Millisecond) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A message that comes in pieces, with a deadline between them, is read whole, and not
// a byte of the next.
func TestMessagesOfAStream(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	first, second := stun.MustBuild(stun.TransactionID, stun.BindingSuccess, stun.NewSoftware("a server")).Raw, stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw
	parts, sent := make(chan []byte), make(chan struct{})
	go func() {
		defer close(sent)
		for p := range parts {
			_, _ = there.Write(p)
		}
	}()
	r := newMessageReader(here, false)
	for _, part := range [][]byte{first[:3], first[3:21]} {
		parts <- part
		_ = here.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := r.next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v of a part of a message", err)
		}
	}
	_ = here.SetReadDeadline(time.Time{})
	parts <- append(first[21:len(first):len(first)], second...)
	close(parts)
	for _, want := range [][]byte{first, second} {
		if got, err := r.next(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, %v, want %x", got, err, want)
		}
	}
	<-sent
}

func TestProblemsSayWhatWasSeen(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{DNSNames: []string{"a.example.org", "b.example.org", "c.example.org", "d.example.org"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	long := &stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: 400, Reason: []byte("\x1b[31mBad\n" + strings.Repeat("ä", 100))}}
	tests := []struct{ name, want, got string }{
		{"name", "the certificate is for another name (a.example.org, b.example.org, c.example.org and 1 more)", newFailure(StepTLS, x509.HostnameError{Certificate: cert, Host: "turn.example.org"}).Problem()},
		{"expired", "the certificate has expired or is not valid yet (2026-01-01 to 2026-04-01)", newFailure(StepTLS, x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}).Problem()},
		{"words of a server", `400: the server answered with an error ("\x1b[31mBad\n` + strings.Repeat("ä", 51) + `")`, newFailure(StepAllocate, long).Problem()},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestCertificateEndsSoon(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	tests := []struct {
		name       string
		life, left time.Duration
		want       bool
	}{
		{"of 90 days", 90 * day, 30 * day, false}, {"two weeks before the end", 90 * day, 14*day - 1, true},
		{"of a year, two weeks before the end", 365 * day, 14*day - 1, true}, {"of six days, two left", 6 * day, 2 * day, false},
		{"of six days, one left", 6 * day, day, true}, {"expired", 90 * day, -day, false},
	}
	for _, tt := range tests {
		c := &Certificate{NotBefore: now.Add(tt.left - tt.life), NotAfter: now.Add(tt.left)}
		if got := c.EndsSoon(now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got, want := c.IsShort(now), tt.left > 0 && tt.left < 14*day; got != want {
			t.Errorf("%s: short is %v", tt.name, got)
		}
	}
}

func TestTryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, cancel := range map[string]bool{"cancelled": true, "out of time": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 10)
			s := answering(t, func(int, []byte) [][]byte { asked <- struct{}{}; return nil })
			ctx, stop := context.WithTimeout(t.Context(), 1200*time.Millisecond)
			defer stop()
			if cancel {
				go func() { <-asked; stop() }()
			}
			start := time.Now()
			f := Try(ctx, s, Options{}).Worst()
			if took := time.Since(start); f == nil || f.Kind != KindTimeout || cancel != (took < time.Second) || took > 2*time.Second {
				t.Errorf("%v after %v", f, took)
			}
		})
	}
}

func TestEveryAddressIsTried(t *testing.T) {
	t.Parallel()
	s := answering(t, func(_ int, r []byte) [][]byte { return [][]byte{success(r)} })
	s.Host = "stun.example.org"
	r := Try(t.Context(), s, Options{Timeout: time.Second, Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "stun.example.org" {
			t.Errorf("looked up %s", host)
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("127.0.0.2")}, nil
	}})
	if len(r.Addresses) != 2 || r.Addresses[0].Address.Addr().String() != "127.0.0.1" || r.Addresses[0].Failure != nil || r.Addresses[1].Failure == nil {
		t.Errorf("%+v", r)
	}
}

func TestResolverFails(t *testing.T) {
	t.Parallel()
	r := Try(t.Context(), Server{Type: TypeSTUN, Host: "nosuch.example.org", Port: 1, Transport: "udp"}, Options{
		Resolve: func(context.Context, string) ([]netip.Addr, error) { return nil, &net.DNSError{IsNotFound: true} }})
	if r.Failure == nil || r.Worst().Kind != KindNoName || r.OK() {
		t.Errorf("%+v", r)
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw)
	f.Add(stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassErrorResponse), stun.CodeUnauthorized).Raw)
	f.Add([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMessage(raw)
		if err != nil {
			if !errors.Is(err, errNotSTUN) {
				t.Errorf("%v", err)
			}
			return
		}
		if err := answerError(m); err == nil || newFailure(StepAllocate, err).Problem() == "" {
			t.Errorf("%v is no error", err)
		}
		mappedAddress(m)
		_ = unknownAttributes(m)
		_, _ = relayedAddress(m, netip.MustParseAddr("192.0.2.1"))
		s := &session{integrity: stun.NewShortTermIntegrity("password")}
		s.keep(m)
		_ = s.judge(m)
		_ = s.takeChallenge(m)
	})
}

package probe

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
)

// Over UDP a request is sent again, and over TCP it is not.
func TestWhenRequestsAreSent(t *testing.T) {
	for datagrams, want := range map[bool][]time.Duration{true: {0, 500 * time.Millisecond, 1500 * time.Millisecond}, false: {0}} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			start := time.Now()
			var sent []time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				buffer := make([]byte, maxMessage)
				for {
					if _, err := there.Read(buffer); err != nil {
						return
					}
					sent = append(sent, time.Since(start))
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			s := &session{messages: newMessageReader(here, datagrams)}
			_, err := s.do(ctx, stun.MethodAllocate)
			if took := time.Since(start); newFailure(StepAllocate, err).Kind != KindTimeout || took != 10*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			here.Close()
			<-done
			if !slices.Equal(sent, want) {
				t.Errorf("sent after %v, want %v", sent, want)
			}
		})
	}
}

// A relay that lets datagrams in and not out is found out.
func TestRelayOneWay(t *testing.T) {
	t.Parallel()
	relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	done, heard := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { relay.Close(); here.Close(); there.Close(); <-done; <-heard })
	go func() { // what comes in is passed on
		defer close(done)
		buffer := make([]byte, maxMessage)
		for {
			n, from, err := relay.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication), peerAddress(from),
				stun.RawAttribute{Type: stun.AttrData, Value: slices.Clone(buffer[:n])})
			_, _ = there.Write(m.Raw)
		}
	}()
	sends := 0
	go func() { // what shall go out is not
		defer close(heard)
		buffer := make([]byte, maxMessage)
		for {
			n, err := there.Read(buffer)
			if err != nil {
				return
			}
			if m, err := parseMessage(buffer[:n]); err != nil || m.Type != stun.NewType(stun.MethodSend, stun.ClassIndication) {
				t.Errorf("%v, %v", m, err)
			}
			sends++
		}
	}()
	a := &attempt{result: AddressResult{Relayed: relay.LocalAddr().(*net.UDPAddr).AddrPort()}}
	ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
	defer cancel()
	err = a.roundTrip(ctx, &session{messages: newMessageReader(here, true)})
	if f := newFailure(StepEcho, err); err == nil || f.Kind != KindNotRelayed {
		t.Errorf("%v", err)
	}
	here.Close()
	<-heard
	if sends == 0 {
		t.Error("nothing was sent back")
	}
}

// A peer that answers with something else has not answered.
func TestPeerThatSpeaksSomethingElse(t *testing.T) {
	t.Parallel()
	peer := answering(t, func(int, []byte) [][]byte { return [][]byte{[]byte("HTTP/1.1 400"), {}} })
	a := Try(t.Context(), startRelay(t, relayConfig{}), Options{Depth: Echo, Timeout: time.Second,
		Peer: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), peer.Port).String()}).Addresses[0]
	if a.Failure != nil || !slices.Contains(a.Notes, notePeerSilent) {
		t.Errorf("%v, %q", a.Failure, a.Notes)
	}
}

func TestSTUNServersAreNotAskedToRelay(t *testing.T) {
	t.Parallel()
	s := answering(t, func(_ int, r []byte) [][]byte {
		if m, err := parseMessage(r); err != nil || m.Type != stun.BindingRequest {
			t.Errorf("%v, %v", m, err)
		}
		return [][]byte{success(r)}
	})
	if a := Try(t.Context(), s, Options{Depth: Echo, Timeout: time.Second}).Addresses[0]; a.Failure != nil || stepsOf(a) != "connect binding" {
		t.Errorf("%v, %s", a.Failure, stepsOf(a))
	}
}

func TestRoundTripTime(t *testing.T) {
	t.Parallel()
	for want, steps := range map[time.Duration][]StepResult{
		0: {{StepConnect, time.Second}},
		1: {{StepConnect, time.Second}, {StepBinding, 1}, {StepAllocate, time.Second}},
		2: {{StepConnect, time.Second}, {StepTLS, time.Second}, {StepRefresh, 2}},
	} {
		if got := (AddressResult{Steps: steps}).RoundTrip(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestRefusedCertificatesWithoutOne(t *testing.T) {
	t.Parallel()
	for _, err := range []error{x509.HostnameError{Host: "turn.example.org"}, x509.CertificateInvalidError{Reason: x509.Expired}} {
		if f := newFailure(StepTLS, err); f.Problem() != sayings[f.Kind].problem {
			t.Errorf("%s", f)
		}
	}
}

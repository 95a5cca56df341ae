package probe

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/secret"
)

// overIPv6 is a connection that says that it is over IPv6.
type overIPv6 struct{ net.Conn }

func (overIPv6) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: net.ParseIP("2001:db8::2"), Port: 50000}
}
func (overIPv6) RemoteAddr() net.Addr {
	return &net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 3478}
}

// Clients ask for a relay address without saying of which family, so for IPv4, also
// over IPv6: servers that relay over IPv4 only (Cloudflare) must not fail here.
func TestAllocationOverIPv6(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithCancel(t.Context())
	a := &attempt{server: Server{Type: TypeTURN, Username: "user", Password: secret.New("password")}, options: Options{Depth: Allocate}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.allocate(ctx, overIPv6{here}, true)
	}()
	if err := there.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, maxMessage)
	n, err := there.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	there.Close()
	<-done
	request := new(stun.Message)
	if err := stun.Decode(buffer[:n], request); err != nil {
		t.Fatal(err)
	}
	if request.Type.Method != stun.MethodAllocate || request.Contains(stun.AttrRequestedAddressFamily) {
		t.Errorf("asked for %v", request)
	}
	if a.result.Failure == nil || a.result.Failure.Step != StepAllocate {
		t.Errorf("%v", a.result.Failure)
	}
}

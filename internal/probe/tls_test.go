package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// overTLSWith starts a STUN server that shows a certificate for 127.0.0.1 and
// turn.example.org, valid for some time, and returns who must be trusted for it.
func overTLSWith(t *testing.T, valid time.Duration) (Server, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"turn.example.org"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(leaf)
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, maxMessage)
			if n, err := conn.Read(buffer); err == nil {
				_, _ = conn.Write(success(buffer[:n]))
			}
			conn.Close()
		}
	}()
	return Server{Type: TypeSTUNS, Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), Transport: "tcp"}, authorities
}

func TestTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		valid   time.Duration
		trusted bool
		want    Kind
	}{
		{"good", 30 * 24 * time.Hour, true, ""},
		{"expired", -time.Minute, true, KindCertExpired},
		{"from nobody that is trusted", time.Hour, false, KindCertUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, authorities := overTLSWith(t, tt.valid)
			if !tt.trusted {
				authorities = x509.NewCertPool()
			}
			a := Try(t.Context(), s, Options{Timeout: 5 * time.Second, RootCAs: authorities}).Addresses[0]
			if f := a.Failure; (f == nil) != (tt.want == "") || f != nil && (f.Kind != tt.want || f.Step != StepTLS) {
				t.Errorf("%v, want %q", f, tt.want)
			}
			if tt.want == "" && stepsOf(a) != "connect tls binding" {
				t.Errorf("steps %s", stepsOf(a))
			}
			if c := a.Certificate; c == nil || !slices.Equal(c.Names, []string{"turn.example.org", "127.0.0.1"}) || c.String() != "certificate of turn.example.org, 127.0.0.1" || c.NotAfter.Sub(c.NotBefore) < 0 {
				t.Errorf("%v", c)
			}
		})
	}
	s, authorities := overTLSWith(t, time.Hour)
	s.Port = closedPort(t)
	if f := Try(t.Context(), s, Options{Timeout: time.Second, RootCAs: authorities}).Worst(); f == nil || f.Step != StepConnect || !errors.Is(f, f.Err) {
		t.Errorf("%v", f)
	}
	if got := (&Certificate{}).String(); got != "certificate of no name" {
		t.Error(got)
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Server{
		"stun:stun.example.org:3478":                {Type: TypeSTUN, Host: "stun.example.org", Port: 3478, Transport: "udp"},
		"turn:[2001:db8::1]:3478?transport=udp":     {Type: TypeTURN, Host: "2001:db8::1", Port: 3478, Transport: "udp"},
		"turns:turn.example.org:5349?transport=tcp": {Type: TypeTURNS, Host: "turn.example.org", Port: 5349, Transport: "tcp"},
	} {
		if got := s.URI(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

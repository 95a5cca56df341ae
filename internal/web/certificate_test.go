package web_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/internal/web"
)

// pair is a certificate and its key in files.
type pair struct{ cert, key string }

// write writes a new certificate for name.
func (p pair) write(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	p.put(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// put replaces a file as programs that renew certificates do.
func (p pair) put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func newPair(t *testing.T) pair {
	dir := t.TempDir()
	return pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

func TestServerSpeaksTLS(t *testing.T) {
	files, log := newPair(t), new(lockedBuffer)
	files.write(t, "one.example.org")
	certificate, err := web.LoadCertificate(files.cert, files.key, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := startWith(t, newSiteOf(silentBackend{}, slog.DiscardHandler), certificate)
	wantName := func(when, want string) {
		t.Helper()
		if got := nameOf(t, s.Addr()); got != want {
			t.Errorf("%s the certificate is for %s, want %s", when, got, want)
		}
	}
	wantName("at first", "one.example.org")

	files.write(t, "two.example.org")
	wantName("when it was renewed", "two.example.org")
	if !strings.Contains(log.String(), "using the new certificate") {
		t.Errorf("the log says %q", log)
	}

	for name, replace := range map[string]func(){
		"another key":       func() { files.put(t, files.key, otherKey(t)) },
		"no PEM":            func() { files.put(t, files.cert, []byte("nothing")) },
		"no file":           func() { _ = os.Remove(files.cert) },
		"much too large":    func() { files.put(t, files.cert, make([]byte, 1<<20+1)) },
		"no regular file":   func() { _ = os.Remove(files.key); _ = syscall.Mkfifo(files.key, 0o600) },
		"key in the middle": func() { files.write(t, "two.example.org"); files.put(t, files.cert, otherKey(t)) },
	} {
		log.Reset()
		replace()
		wantName(name, "two.example.org")
		wantName(name+", again", "two.example.org")
		if n := strings.Count(log.String(), "cannot use the new certificate"); n != 1 || !strings.Contains(log.String(), filepath.Dir(files.cert)) {
			t.Errorf("%s is logged %d times: %s", name, n, log)
		}
		if strings.Contains(log.String(), "PRIVATE KEY") {
			t.Errorf("%s: the log has a key: %s", name, log)
		}
		_ = os.Remove(files.key)
		files.write(t, "two.example.org")
		wantName("again", "two.example.org")
	}
	content, err := os.ReadFile(files.cert)
	if err != nil {
		t.Fatal(err)
	}
	log.Reset()
	for range 2 { // the same fault, and each time the same content again
		_ = os.Remove(files.cert)
		wantName("gone", "two.example.org")
		files.put(t, files.cert, content)
		wantName("back", "two.example.org")
	}
	if n := strings.Count(log.String(), "cannot use"); n != 2 || strings.Contains(log.String(), "using the new") {
		t.Errorf("two faults are logged %d times: %s", n, log)
	}
}

func otherKey(t *testing.T) []byte {
	t.Helper()
	other := newPair(t)
	other.write(t, "other.example.org")
	content, err := os.ReadFile(other.key)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// nameOf asks for the health over TLS and returns the name in the certificate.
func nameOf(t *testing.T, address string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Get("https://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%d over TLS %x", response.StatusCode, response.TLS.Version)
	}
	return response.TLS.PeerCertificates[0].Subject.CommonName
}

// A handshake that goes nowhere takes nobody's place.
func TestCrowdBeforeTLS(t *testing.T) {
	files := newPair(t)
	files.write(t, "one.example.org")
	certificate, err := web.LoadCertificate(files.cert, files.key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := startWith(t, newSiteOf(silentBackend{}, slog.DiscardHandler), certificate)
	defer crowd(t, s.Addr(), "\x16\x03\x01", 4)()
	if got := nameOf(t, s.Addr()); got != "one.example.org" {
		t.Error(got)
	}
}

func TestLoadCertificateNamesTheFile(t *testing.T) {
	good, fifo := newPair(t), newPair(t)
	good.write(t, "one.example.org")
	if err := syscall.Mkfifo(fifo.cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, cert, key, want string }{
		{"no certificate", good.cert + "x", good.key, good.cert + "x"},
		{"no key", good.cert, good.key + "x", good.key + "x"},
		{"swapped", good.key, good.cert, good.key},
		{"folder", filepath.Dir(good.cert), good.key, "is not a regular file"},
		{"FIFO", fifo.cert, good.key, "is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := web.LoadCertificate(tt.cert, tt.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// A listener that fails ends the server, which says so.
func TestRunReturnsTheError(t *testing.T) {
	s, err := web.Listen("127.0.0.1:0", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Use(newSite(&backend{}, new(bytes.Buffer)))
	s.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), s.Addr()) || !strings.Contains(err.Error(), net.ErrClosed.Error()) {
		t.Errorf("it ends with %v", err)
	}
}

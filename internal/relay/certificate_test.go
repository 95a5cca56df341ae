package relay

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/integration/lab"
)

func TestReadsTheCertificateAgain(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	running := r.raw(TLS, "alice")
	if code := running.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	serial := func() string {
		conn := r.connect(TLS).(*tls.Conn)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old := serial()
	if s := r.Snapshot(); s.CertificateError != nil || time.Until(s.CertificateExpires) < time.Hour {
		t.Errorf("%v, %v", s.CertificateExpires, s.CertificateError)
	}

	// A key that does not fit, as between the two steps of a renewal.
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "relay.example.org")
	if err != nil {
		t.Fatal(err)
	}
	move(t, key, cfg.KeyFile)
	everybody := func(string) bool { return true }
	if err := r.Reload(cfg.Limits, everybody); err == nil || !strings.Contains(err.Error(), cfg.KeyFile) {
		t.Errorf("Reload() = %v", err)
	}
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh after a reload that failed: %d", code)
	}
	if r.Snapshot().CertificateError == nil || serial() != old {
		t.Error("the old certificate is not in use any more")
	}

	move(t, cert, cfg.CertFile)
	if !r.cert.hasChanged() {
		t.Error("the change is not seen")
	}
	if err := r.Reload(cfg.Limits, nil); err != nil {
		t.Fatal(err)
	}
	if r.Snapshot().CertificateError != nil || serial() == old || r.cert.hasChanged() {
		t.Error("the new certificate is not in use")
	}
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh over the old connection: %d", code)
	}
}

func TestWarnsOfACertificateThatEnds(t *testing.T) {
	cfg := loopback(t)
	c, err := loadCertificate(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	expires, _ := c.state()
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	for _, tt := range []struct {
		name string
		left time.Duration
		want string // in the line; "" for none
	}{
		{"two weeks are left", 14 * 24 * time.Hour, ""},
		{"less", 14*24*time.Hour - time.Second, "level=WARN msg=\"relay: the certificate expires soon\""},
		{"on the same day", 13*24*time.Hour + time.Hour, ""},
		{"on the next", 13*24*time.Hour - time.Second, "level=WARN"},
		{"it has ended", 0, "level=ERROR msg=\"relay: the certificate has expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text.Reset()
			c.warn(log, expires.Add(-tt.left))
			if got := text.String(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

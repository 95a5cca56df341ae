package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often the files are looked at.
const certificateEvery = 30 * time.Second

// certificate is a pair of files that are read again when they change. Whatever
// becomes of the files, the last pair that fitted together is in use.
type certificate struct {
	certFile, keyFile string

	mu   sync.RWMutex
	pair *tls.Certificate
	seen [2]fileState
	err  error // of the last attempt

	warned time.Time // when the log last said that the certificate ends soon; watch's own
}

// fileState tells whether a file has changed. Certbot and others move a link, so
// that links are followed.
type fileState struct {
	modified time.Time
	size     int64
}

func loadCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	return c, c.reload()
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.pair, nil
}

// state returns when the certificate expires, and why the files could not be read.
func (c *certificate) state() (time.Time, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.pair.Leaf.NotAfter, c.err
}

// reload reads the files.
func (c *certificate) reload() error {
	seen := c.look() // before they are read: a later change is seen later
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = seen
	if err != nil {
		c.err = fmt.Errorf("cert_file %s with key_file %s: %w", c.certFile, c.keyFile, err)
		return c.err
	}
	c.pair, c.err = &pair, nil
	return nil
}

func (c *certificate) look() [2]fileState {
	var seen [2]fileState
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			seen[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return seen
}

func (c *certificate) hasChanged() bool {
	seen := c.look()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return seen != c.seen
}

// A certificate that ends within shortCertificate is mentioned each warnEvery.
const (
	shortCertificate = 14 * 24 * time.Hour
	warnEvery        = 24 * time.Hour
)

// warn says in the log that the certificate ends soon, or has ended.
func (c *certificate) warn(log *slog.Logger, now time.Time) {
	expires, _ := c.state()
	left := expires.Sub(now)
	if left >= shortCertificate || now.Sub(c.warned) < warnEvery {
		return
	}
	c.warned = now
	const cure = "renew it, and see that cert_file and key_file are what is renewed"
	if left <= 0 {
		log.Error("relay: the certificate has expired, so that nobody can connect over TLS", "expires", expires, "cert_file", c.certFile, "do", cure)
		return
	}
	log.Warn("relay: the certificate expires soon", "expires", expires, "cert_file", c.certFile, "do", cure)
}

// watch reads the files again when they have changed, and warns of a certificate that
// ends soon, until ctx is done.
func (c *certificate) watch(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(certificateEvery)
	defer ticker.Stop()
	for {
		c.warn(log, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.hasChanged() {
			continue
		}
		if err := c.reload(); err != nil {
			log.Warn("relay: the certificate has changed and cannot be used; the old one stays", "err", err)
			continue
		}
		expires, _ := c.state()
		log.Info("relay: read the certificate again", "cert_file", c.certFile, "expires", expires)
	}
}

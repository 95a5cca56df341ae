package web

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// maxPEM is the size in bytes above which a file is not a certificate or a key.
const maxPEM = 1 << 20

// Certificate is a certificate with its key, in PEM files that are read again for
// each connection, so that a renewed one is used at once.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	content [sha256.Size]byte // of the files that were parsed last
	failure string            // that was logged, so that it is logged once
}

// LoadCertificate reads a certificate, followed by its intermediates, and its key.
// The error names the file.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.update(); err != nil {
		return nil, err
	}
	return c, nil
}

// config returns a TLS configuration that uses the certificate as it is when a
// client connects.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate. While the files cannot be used, because one of them
// is being replaced or they do not belong together, it is the one before.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.update()
	if err == nil {
		c.failure = ""
		if changed {
			c.log.Info("using the new certificate of [http]", "expires", c.current.Leaf.NotAfter)
		}
		return c.current
	}
	if err.Error() != c.failure {
		c.log.Warn("cannot use the new certificate of [http]; the previous one stays in use",
			"do", "put a certificate and its key, both in PEM, into http.cert_file and http.key_file", "err", err)
		c.failure = err.Error()
	}
	return c.current
}

// update reads both files, and parses them if they differ from those that were
// parsed last.
func (c *Certificate) update() (changed bool, err error) {
	cert, err := readPEM(c.certFile)
	if err != nil {
		return false, err
	}
	key, err := readPEM(c.keyFile)
	if err != nil {
		return false, err
	}
	content := sha256.Sum256(append(cert, key...))
	if content == c.content {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.content = &pair, content
	return true, nil
}

// readPEM reads a regular file of a sane size.
func readPEM(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(content) > maxPEM {
		err = errors.New(name + " is too large for a certificate or a key")
	}
	return content, err
}

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

// Certificate is a certificate with its key, in PEM files that are read again when
// they change, as they do when the certificate is renewed.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	stamps  [2]stamp // of the files when they were read last
	digest  [sha256.Size]byte
	current *tls.Certificate
}

// LoadCertificate reads a certificate, followed by its intermediates, and its key.
// The error names the file.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.read(); err != nil {
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
	if c.stampsNow() == c.stamps {
		return c.current
	}
	before := c.digest
	if err := c.read(); err != nil {
		c.log.Warn("cannot use the renewed certificate of [http]; the one before stays in use",
			"do", "put a certificate and its key, both in PEM, into http.cert_file and http.key_file", "err", err)
	} else if c.digest != before {
		c.log.Info("using the renewed certificate of [http]", "not_after", c.current.Leaf.NotAfter)
	}
	return c.current
}

// read reads both files. That they were read is noted even if they are wrong, so
// that this is logged once.
func (c *Certificate) read() error {
	c.stamps = c.stampsNow()
	cert, err := readPEM(c.certFile)
	if err != nil {
		return err
	}
	key, err := readPEM(c.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.digest = &pair, sha256.Sum256(append(cert, key...))
	return nil
}

// stamp tells whether a file has changed. It is zero when there is none.
type stamp struct{ modified, size int64 }

func (c *Certificate) stampsNow() (stamps [2]stamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{modified: info.ModTime().UnixNano(), size: info.Size()}
		}
	}
	return stamps
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

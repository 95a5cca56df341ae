package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

func readCAFile(t *table) *x509.CertPool {
	pem, file, ok := t.file("ca_file")
	if !ok {
		return nil
	}
	pool, err := rootCAs(pem, file)
	if err != nil {
		t.fault("ca_file", "%v", err)
	}
	return pool
}

// ReadRootCAs returns the authorities of the system and those in a PEM file.
func ReadRootCAs(file string) (*x509.CertPool, error) {
	pem, err := readRegular(file, true)
	if err != nil {
		return nil, err
	}
	return rootCAs(pem, file)
}

// rootCAs returns the authorities of the system and those in pem, which file holds.
func rootCAs(pem []byte, file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate; it must contain one in PEM form (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// Certificate is where a certificate and its key are. They are read again when they change.
type Certificate struct {
	CertFile, KeyFile string // empty when there is none
}

// IsSet reports whether there is a certificate.
func (c Certificate) IsSet() bool { return c.CertFile != "" }

// Load reads the certificate and its key. The files must be regular and of at most 1 MiB.
func (c Certificate) Load() (tls.Certificate, error) {
	cert, err := readRegular(c.CertFile, true)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readRegular(c.KeyFile, true)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		// The library's message quotes nothing of the files.
		return tls.Certificate{}, fmt.Errorf("%s and %s are not a certificate and its key in PEM form: %w", c.CertFile, c.KeyFile, err)
	}
	return pair, nil
}

// certificate reads cert_file and key_file, and looks whether they belong together.
func (t *table) certificate() Certificate {
	_, cert, hasCert := t.file("cert_file")
	_, key, hasKey := t.file("key_file")
	switch {
	case t.has("cert_file") && !t.has("key_file"):
		t.fault("cert_file", "requires key_file, which is not set; name the file with the certificate's key")
	case t.has("key_file") && !t.has("cert_file"):
		t.fault("key_file", "requires cert_file, which is not set; name the file with the certificate")
	case hasCert && hasKey:
		c := Certificate{CertFile: cert, KeyFile: key}
		if _, err := c.Load(); err != nil {
			t.fault("cert_file", "%v", err)
		}
		t.r.warnIfPublic(t.key("key_file"), key)
		return c
	}
	return Certificate{}
}

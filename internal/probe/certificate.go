package probe

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Certificate is what is known of a server's certificate.
type Certificate struct {
	Names     []string // host names and IP addresses in it
	NotBefore time.Time
	NotAfter  time.Time
}

// someNames returns names of the certificate, three at most.
func (c *Certificate) someNames() string {
	switch n := len(c.Names) - 3; {
	case len(c.Names) == 0:
		return "no name"
	case n > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(c.Names[:3], ", "), n)
	}
	return strings.Join(c.Names, ", ")
}

// String says what the certificate is for.
func (c *Certificate) String() string { return "certificate of " + c.someNames() }

func newCertificate(leaf *x509.Certificate) *Certificate {
	c := &Certificate{Names: leaf.DNSNames, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
	for _, ip := range leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return c
}

// soon is how long before its end a certificate should have been renewed. Those that
// last for days only are renewed in their last quarter.
const soon = 14 * 24 * time.Hour

// IsShort reports whether the certificate expires within 14 days from now.
func (c *Certificate) IsShort(now time.Time) bool {
	left := c.NotAfter.Sub(now)
	return left > 0 && left < soon
}

// EndsSoon reports whether the certificate is still valid at now and should have been
// renewed by then: within its last 14 days, or its last quarter if that is shorter.
func (c *Certificate) EndsSoon(now time.Time) bool {
	left := c.NotAfter.Sub(now)
	return left > 0 && left < min(soon, c.NotAfter.Sub(c.NotBefore)/4)
}

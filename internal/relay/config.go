package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Config is what a relay is made from. Fields that are not marked optional must be
// set.
type Config struct {
	// Host is the name that clients are given; it is the realm as well.
	Host string
	// PublicIP are the addresses that the Internet knows this machine by; optional
	// on a machine that has public addresses itself.
	PublicIP []PublicIP
	// Listen are addresses for UDP and TCP, TLSListen for TLS: "192.0.2.10:3478", or
	// ":3478" for all addresses of this machine. One of them must not be empty.
	Listen, TLSListen []string
	// FirstPort and LastPort bound the ports that are relayed at, for each address.
	FirstPort, LastPort uint16
	// CertFile and KeyFile are PEM files; optional without TLSListen.
	CertFile, KeyFile string
	// AllowPeers are relayed to although they are not public; optional.
	AllowPeers []Peer

	// Secrets returns the shared secrets that credentials may be made with, usually
	// [Store.Valid] or [Fixed]. It is asked for each authenticated request.
	Secrets func() [][]byte
	// Denied reports whether a user, which is the part of the username behind the
	// colon, is not served; optional. See [Relay.Reload].
	Denied func(user string) bool
	// Ended is told of each allocation that has ended, one after the other, by one
	// goroutine; optional.
	Ended func(Ended)

	Limits Limits
	Log    *slog.Logger

	// Now and Interfaces are optional; by default they are [time.Now] and
	// [InterfaceAddrs].
	Now        func() time.Time
	Interfaces func() ([]netip.Prefix, error)
}

// Limits bound what users, and strangers, can take. Bytes per second count what is
// relayed in one direction; 0 sets no bound there, and everywhere else it is a
// mistake.
type Limits struct {
	PerUser        int   // allocations of one user at a time
	Total          int   // allocations at a time
	Permissions    int   // permissions, and channels, of one allocation
	Bandwidth      int64 // bytes per second, of one allocation
	TotalBandwidth int64 // bytes per second, of all together

	// These cannot change with [Relay.Reload].
	Connections          int // over TCP and TLS at a time
	ConnectionsPerSource int // the same from one IPv4 address or IPv6 /64
	Handshakes           int // TLS handshakes at a time
	Queue                int // bytes that wait for one slow client over TCP or TLS
}

// DefaultLimits suit a small server.
func DefaultLimits() Limits {
	return Limits{
		PerUser: 16, Total: 2000, Permissions: 128, Bandwidth: 4_000_000,
		Connections: 4000, ConnectionsPerSource: 200, Handshakes: 64, Queue: 128 << 10,
	}
}

// Default ports to relay at: the dynamic ones of RFC 6335, as RFC 8656 §7.2 asks.
const (
	DefaultFirstPort = 49152
	DefaultLastPort  = 65535
)

func (c *Config) realm() string    { return c.Host }
func (c *Config) ports() portRange { return portRange{c.FirstPort, c.LastPort} }

// check reports every mistake.
func (c *Config) check() error {
	var errs []error
	fail := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fail(c.Host == "", "host: the relay needs a name or an address that clients are given")
	fail(len(c.Listen)+len(c.TLSListen) == 0, "listen: the relay needs an address to listen at")
	fail(len(c.TLSListen) > 0 && (c.CertFile == "" || c.KeyFile == ""), "tls_listen needs cert_file and key_file")
	fail(c.FirstPort < 1024 || c.LastPort < c.FirstPort, "ports: %s is no range of ports from 1024 on", c.ports())
	fail(c.Secrets == nil, "the relay needs a shared secret")
	fail(c.Log == nil, "the relay needs a log")
	return errors.Join(append(errs, c.Limits.check())...)
}

func (l Limits) check() error {
	var errs []error
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"per_user", l.PerUser}, {"total", l.Total}, {"permissions", l.Permissions}, {"connections", l.Connections},
		{"connections_per_source", l.ConnectionsPerSource}, {"handshakes", l.Handshakes},
	} {
		if limit.value < 1 {
			errs = append(errs, fmt.Errorf("limits.%s: %d is not a number above 0", limit.name, limit.value))
		}
	}
	if l.Queue < maxFrame {
		errs = append(errs, fmt.Errorf("limits.queue: %d bytes do not hold one frame; %d are the least", l.Queue, maxFrame))
	}
	if l.Bandwidth < 0 || l.TotalBandwidth < 0 {
		errs = append(errs, errors.New("limits.bandwidth: bytes per second cannot be negative"))
	}
	return errors.Join(errs...)
}

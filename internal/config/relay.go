package config

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/reach"
	"extdisco/internal/relay"
	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// Relay is [relay]: a STUN and TURN relay of our own, which comes first in the answer.
type Relay struct {
	On                  bool                      // whether there is a [relay]
	Host                string                    // the name that clients are given; default: the first public address
	PublicIP            []relay.PublicIP          // default: this machine's own public addresses
	Listen              []string                  // udp and tcp; default: ":3478"
	TLSListen           []string                  // turns; default: ":5349" with a certificate, else none
	TLSPort             uint16                    // for turns, as clients are told; default: the port of TLSListen
	NAT                 map[netip.Addr]netip.Addr // public addresses that a NAT maps to this machine's own, and those; nil without NAT
	FirstPort, LastPort uint16                    // that are relayed at; default: 49152 to 65535
	TTL                 time.Duration             // how long a credential lives; default: [DefaultTTL]
	Certificate         Certificate
	Secret              secret.Secret // the shared secret; empty when the relay makes and keeps its own
	AllowPeers          []relay.Peer  // networks that are relayed to although they are not public
	StateDir            string        // where the relay keeps its secrets
	Drain               time.Duration // how long allocations may go on after SIGTERM; default: 0
	Limits              relay.Limits
	Choice              Choice // for whom it is
}

// RelayKey is where the relay stands in the configuration.
const RelayKey = "relay"

// SameSockets reports whether a running relay can follow from one to the other, and no
// allocation has to end.
func (r Relay) SameSockets(other Relay) bool { return r.fixed() == other.fixed() }

// fixed returns a text of everything that a running relay cannot change.
func (r Relay) fixed() string {
	r.TTL, r.Drain, r.Secret, r.StateDir, r.TLSPort, r.Choice, r.NAT = 0, 0, secret.Secret{}, "", 0, Choice{}, nil
	l := r.Limits
	r.Limits = relay.Limits{Connections: l.Connections, ConnectionsPerSource: l.ConnectionsPerSource, Handshakes: l.Handshakes, Queue: l.Queue}
	return fmt.Sprintf("%+v", r)
}

// Services returns what clients are told of the relay, in the order of the answer.
func (r Relay) Services() []xep0215.Service {
	var services []xep0215.Service
	if len(r.Listen) > 0 {
		port := portOf(r.Listen[0])
		services = append(services,
			xep0215.Service{Type: xep0215.TypeSTUN, Host: r.Host, Port: port, Transport: xep0215.TransportUDP},
			xep0215.Service{Type: xep0215.TypeTURN, Host: r.Host, Port: port, Transport: xep0215.TransportUDP, Restricted: true},
			xep0215.Service{Type: xep0215.TypeTURN, Host: r.Host, Port: port, Transport: xep0215.TransportTCP, Restricted: true})
	}
	if len(r.TLSListen) > 0 {
		services = append(services, xep0215.Service{Type: xep0215.TypeTURNS, Host: r.Host, Port: r.TLSPort, Transport: xep0215.TransportTCP, Restricted: true})
	}
	return services
}

// ICEServer returns the relay as a server of the answer, with the secret that its credentials are
// made with and the key of its pseudonyms. Without that key it is derived from the secret.
func (r Relay) ICEServer(shared, pseudonymKey secret.Secret) ICEServer {
	return ICEServer{Key: RelayKey, Services: r.Services(), SharedSecret: shared, PseudonymKey: pseudonymKey, TTL: r.TTL, Choice: r.Choice, UsernameForm: FormRelay, NAT: r.NAT}
}

const (
	relayListen    = ":3478"
	relayTLSListen = ":5349"
)

// readRelay reads the table. Its presence turns the relay on.
func readRelay(root *table) Relay {
	t := root.table("relay")
	defer t.unknown()
	r := Relay{
		On: root.has("relay"), Host: strings.ToLower(strings.TrimSuffix(t.string("host"), ".")),
		TTL: t.duration("ttl", DefaultTTL), Drain: t.duration("drain", 0), Certificate: t.certificate(), Secret: t.secret("secret"),
		StateDir: t.string("state_dir"), Listen: readRelayListen(t, "listen", relayListen), AllowPeers: readAllowPeers(t), Limits: readRelayLimits(t), Choice: readChoice(t),
	}
	r.FirstPort, r.LastPort = readPorts(t)
	r.PublicIP = readPublicIP(t)
	hasTLS := t.has("cert_file") && t.has("key_file")
	r.TLSListen = readRelayListen(t, "tls_listen", relayTLSListen)
	if !hasTLS {
		r.TLSListen = nil
	}
	if t.has("tls_listen") && !hasTLS {
		t.fault("tls_listen", "requires cert_file and key_file, which are not set; name the files with the certificate and its key")
	}
	if r.TLSPort = t.port("tls_port"); r.TLSPort == 0 && len(r.TLSListen) > 0 {
		r.TLSPort = portOf(r.TLSListen[0])
	}
	if t.has("tls_port") && !hasTLS {
		t.fault("tls_port", "requires cert_file and key_file, which are not set; name them, or remove it")
	}
	if !r.On || t.wrong {
		return Relay{On: r.On}
	}
	r.StateDir = t.r.stateDir(r.StateDir)
	if n := len(r.Secret.Reveal()); n > 0 && n < shortSecret {
		t.warn(t.secretKey("secret"), "the shared secret has only %s; a random one of 32 is safer: openssl rand -hex 32", count(n, "byte"))
	}
	checkRelayAddresses(t, &r)
	checkRelayHost(t, r)
	return r
}

// stateDir returns where the relay keeps its secrets: the named folder, that of systemd, that of
// the installed service, or the one of the configuration.
func (r *reader) stateDir(named string) string {
	beside, err := filepath.Abs(filepath.Dir(r.file))
	if err != nil {
		beside = filepath.Dir(r.file)
	}
	given, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	switch installed, isInstalled := strings.CutPrefix(beside, "/etc/"); {
	case filepath.IsAbs(named):
		return named
	case named != "":
		return filepath.Join(beside, named)
	case given != "":
		return given
	case isInstalled:
		return filepath.Join("/var/lib", installed)
	}
	return beside
}

// readRelayListen reads addresses to listen at.
func readRelayListen(t *table, name, missing string) []string {
	if !t.has(name) {
		t.know(name)
		return []string{missing}
	}
	var list []string
	t.eachString(name, func(key, entry string) {
		host, port, err := net.SplitHostPort(entry)
		number, portErr := strconv.ParseUint(port, 10, 16)
		_, hostErr := netip.ParseAddr(host)
		if err != nil || portErr != nil || number == 0 || host != "" && hostErr != nil {
			t.fault(key, "is not an address to listen on; write \":%s\" for all addresses of this machine, or \"192.0.2.10:%[1]s\"", strings.TrimPrefix(missing, ":"))
			return
		}
		list = append(list, entry)
	})
	return list
}

// portOf returns the port of an address that was found valid.
func portOf(address string) uint16 {
	_, port, _ := net.SplitHostPort(address)
	number, _ := strconv.ParseUint(port, 10, 16)
	return uint16(number)
}

func readPublicIP(t *table) []relay.PublicIP {
	var list []relay.PublicIP
	t.eachString("public_ip", func(key, entry string) {
		p, err := relay.ParsePublicIP(entry)
		if err != nil {
			t.fault(key, "is not an IP address; write for example \"203.0.113.5\", or behind NAT \"203.0.113.5/10.0.0.5\" with this machine's own address of the same family behind the slash")
			return
		}
		list = append(list, p)
	})
	return list
}

func readAllowPeers(t *table) []relay.Peer {
	var list []relay.Peer
	t.eachString("allow_peers", func(key, entry string) {
		p, err := relay.ParsePeer(entry)
		if err != nil {
			t.fault(key, "is neither an address nor a network; write for example \"10.0.0.5\", \"10.0.0.5:10000\" or \"10.0.0.0/24\"")
			return
		}
		list = append(list, p)
	})
	return list
}

var portRange = regexp.MustCompile(`^\s*(\d{1,5})\s*-\s*(\d{1,5})\s*$`)

func readPorts(t *table) (first, last uint16) {
	s := t.stringOf("ports", "write a range in quotes, such as \"49152-65535\"")
	if s == "" {
		return relay.DefaultFirstPort, relay.DefaultLastPort
	}
	if m := portRange.FindStringSubmatch(s); m != nil {
		low, lowErr := strconv.ParseUint(m[1], 10, 16)
		high, highErr := strconv.ParseUint(m[2], 10, 16)
		if lowErr == nil && highErr == nil && low >= 1024 && low <= high {
			return uint16(low), uint16(high)
		}
	}
	t.fault("ports", "is not a range of ports from 1024 to 65535; write for example \"49152-65535\"")
	return relay.DefaultFirstPort, relay.DefaultLastPort
}

func readRelayLimits(root *table) relay.Limits {
	t := root.table("limits")
	defer t.unknown()
	l := relay.DefaultLimits()
	for _, limit := range []struct {
		name  string
		value *int
	}{
		{"per_user", &l.PerUser}, {"total", &l.Total}, {"permissions", &l.Permissions}, {"connections", &l.Connections},
		{"connections_per_source", &l.ConnectionsPerSource}, {"handshakes", &l.Handshakes},
	} {
		*limit.value = t.positive(limit.name, *limit.value)
	}
	l.Bandwidth = t.bandwidth("bandwidth", l.Bandwidth)
	l.TotalBandwidth = t.bandwidth("total_bandwidth", l.TotalBandwidth)
	return l
}

// maxLimit bounds limits that are numbers: more fits into no machine.
const maxLimit = 1_000_000

// positive returns a number from 1 on.
func (t *table) positive(name string, missing int) int {
	v, ok := t.value(name)
	if !ok {
		return missing
	}
	n, isNumber := v.(int64)
	switch {
	case !isNumber:
		t.fault(name, "is %s; write a number without quotes, such as %d", kindOf(v), missing)
	case n < 1 || n > maxLimit:
		t.fault(name, "is not between 1 and %d; the default is %d", maxLimit, missing)
	default:
		return int(n)
	}
	return missing
}

// port returns a port; 0 when the key is missing.
func (t *table) port(name string) uint16 {
	v, ok := t.value(name)
	if !ok {
		return 0
	}
	n, isNumber := v.(int64)
	if !isNumber || n < 1 || n > 65535 {
		t.fault(name, "is not a port; write a number from 1 to 65535 without quotes, such as 443")
		return 0
	}
	return uint16(n)
}

var (
	byteRate  = regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,3})?) ?([kMG]?)B/s$`)
	byteUnits = map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
)

// leastBandwidth is the least that carries a voice, in bytes per second.
const leastBandwidth = 10_000

// bandwidth returns bytes per second; 0 stands for "none".
func (t *table) bandwidth(name string, missing int64) int64 {
	const cure = `write bytes per second, such as "4MB/s" or "500kB/s", or "none"`
	s := t.stringOf(name, cure)
	switch s {
	case "":
		return missing
	case "none":
		return 0
	}
	m := byteRate.FindStringSubmatch(s)
	if m == nil {
		t.fault(name, "is not a bandwidth; "+cure)
		return missing
	}
	number, _ := strconv.ParseFloat(m[1], 64)
	bytes := int64(number * byteUnits[m[2]])
	if bytes < leastBandwidth {
		t.fault(name, "is too little for a call; write at least \"10kB/s\"")
		return missing
	}
	return bytes
}

// checkRelayAddresses looks whether the relay's addresses are this machine's, and settles the host
// where none is given.
func checkRelayAddresses(t *table, r *Relay) {
	interfaces, err := relay.InterfaceAddrs()
	if t.r.interfaces != nil {
		interfaces, err = t.r.interfaces, nil
	}
	if err != nil {
		t.fault("public_ip", "%v", err)
		return
	}
	if t.has("public_ip") && len(r.PublicIP) == 0 {
		return // which is reported
	}
	places, err := relay.Addresses(r.PublicIP, interfaces)
	if err != nil {
		t.fault("public_ip", "%s", strings.TrimPrefix(err.Error(), "public_ip: "))
		return
	}
	for _, p := range places {
		if p.Public != p.Local {
			if r.NAT == nil {
				r.NAT = map[netip.Addr]netip.Addr{}
			}
			r.NAT[p.Public] = p.Local
		}
	}
	if r.Host == "" && !t.has("host") {
		r.Host = places[0].Public.String()
	}
}

// checkRelayHost looks whether clients can use the host, and whether the certificate names it.
func checkRelayHost(t *table, r Relay) {
	if !t.has("host") || r.Host == "" {
		return
	}
	_, addrErr := netip.ParseAddr(r.Host)
	kind := reach.Of(r.Host)
	switch {
	case addrErr != nil && !hostName.MatchString(r.Host):
		t.fault("host", "is not a host name or an IP address; write it without port and URI scheme, such as \"turn.example.org\"")
		return
	case kind.IsNowhere():
		t.fault("host", "is %v, which nobody can connect to; write the name or the public address of this machine", kind)
		return
	case kind.IsLocal():
		t.warn("host", "is %v, which clients elsewhere cannot reach; write the public name or address of this machine, unless all clients are in that network", kind)
	}
	if !r.Certificate.IsSet() {
		return
	}
	pair, err := r.Certificate.Load()
	if err != nil {
		return // which is reported
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	switch {
	case err != nil:
	case leaf.VerifyHostname(r.Host) != nil:
		t.warn("cert_file", "the certificate does not name host, so clients refuse turns; get one for that name, or correct host")
	case t.r.now.After(leaf.NotAfter):
		t.warn("cert_file", "the certificate expired on %s, so clients refuse turns; renew it", leaf.NotAfter.UTC().Format(time.DateOnly))
	}
}

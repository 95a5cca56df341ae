package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"extdisco/internal/reach"
	"extdisco/internal/secret"
)

// HTTP is [http] and each [[rest_client]].
type HTTP struct {
	Listen string // HOST:PORT; empty when nothing is served
	// RelayListen is where "extdisco relay" serves its own; default: Listen without
	// [component], where no "extdisco serve" has that, else nothing is served.
	RelayListen string
	Hosts       []string      // host names of the status page besides this machine's own
	Token       secret.Secret // of the status page; empty when one is made at the start
	Clients     []RESTClient
	// Certificate is what the server shows; without one it speaks plain HTTP.
	Certificate Certificate
	// BehindTLSProxy says that a proxy in front of Listen encrypts what leaves the network.
	BehindTLSProxy bool
}

// RESTClient is a [[rest_client]]: a program that gets credentials over HTTP.
type RESTClient struct {
	Name string        // for the log and the metrics
	Key  secret.Secret // which the client sends
}

// Equal reports whether both serve the same in the same place.
func (c HTTP) Equal(other HTTP) bool {
	return c.Listen == other.Listen && slices.Equal(c.Hosts, other.Hosts) && c.Token.Equal(other.Token) &&
		c.Certificate == other.Certificate && c.BehindTLSProxy == other.BehindTLSProxy &&
		slices.EqualFunc(c.Clients, other.Clients, func(a, b RESTClient) bool { return a.Name == b.Name && a.Key.Equal(b.Key) })
}

func readHTTP(root *table, component, relays bool) HTTP {
	t := root.table("http")
	defer t.unknown()
	c := HTTP{Listen: readListen(t, "listen", "9215"), RelayListen: readListen(t, "relay_listen", "9216"), Token: t.secret("token"), Certificate: t.certificate(), BehindTLSProxy: t.bool("behind_tls_proxy")}
	if t.hasSecret("token") {
		checkWebSecret(t, t.secretKey("token"), c.Token)
	}
	t.eachString("hosts", func(key, host string) {
		host = strings.ToLower(host)
		if !hostName.MatchString(host) {
			t.fault(key, "is not a host name; write it without http://, port and path, such as \"status.example.org\"")
			return
		}
		c.Hosts = append(c.Hosts, host)
	})
	for _, key := range []string{"hosts", t.secretKey("token"), "cert_file", "key_file", "behind_tls_proxy"} {
		if t.has(key) && !t.has("listen") && !t.has("relay_listen") {
			t.fault(key, "requires http.listen, which is not set; write listen = \"127.0.0.1:9215\", or remove it")
		}
	}
	if t.has("cert_file") && c.BehindTLSProxy {
		t.fault("behind_tls_proxy", "cannot be combined with cert_file; remove one of them")
	}
	c.Clients = readClients(root, t.has("listen"))
	c.checkOpen(t, "listen", c.Listen, len(c.Clients) > 0)
	c.checkOpen(t, "relay_listen", c.RelayListen, false)
	switch {
	case t.has("relay_listen") && !relays:
		t.fault("relay_listen", "is for \"extdisco relay\", and there is no [relay]; remove it")
	case c.RelayListen == "" && !component:
		c.RelayListen = c.Listen
	case c.RelayListen != "" && c.RelayListen == c.Listen && component:
		t.fault("relay_listen", "is the address in listen, which \"extdisco serve\" has; choose another port, such as \"127.0.0.1:9216\"")
	}
	return c
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

func readListen(t *table, name, usual string) string {
	listen := t.string(name)
	if listen == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(listen)
	_, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" {
		t.fault(name, "is not an address to listen on; write HOST:PORT, such as \"127.0.0.1:%s\" or \"[::1]:%[1]s\"", usual)
		return ""
	}
	return listen
}

// checkOpen looks at an address that other machines can reach. Credentials are given out there
// with TLS only, ours or that of a proxy, except in a private network.
func (c HTTP) checkOpen(t *table, name, listen string, givesCredentials bool) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || c.Certificate.IsSet() || t.has("cert_file") || c.BehindTLSProxy {
		return
	}
	switch kind := reach.Of(host); {
	case kind == reach.Loopback:
	case givesCredentials && kind != reach.Private && kind != reach.LinkLocal:
		t.fault(name, "gives credentials to [[rest_client]] without TLS on an address that is neither loopback nor private; "+
			"set cert_file and key_file, or behind_tls_proxy = true if a proxy in front encrypts, or listen on 127.0.0.1")
	default:
		t.warn(name, "is open to other machines and not encrypted; set cert_file and key_file, or listen on 127.0.0.1 behind a proxy with TLS")
	}
}

// shortestWebSecret is how long a secret must be that strangers can guess at, in
// bytes.
const shortestWebSecret = 16

// checkWebSecret refuses what is too short, and what cannot be sent in a header.
func checkWebSecret(t *table, name string, s secret.Secret) {
	value := s.Reveal()
	switch {
	case value == "": // it is reported already
	case len(value) < shortestWebSecret:
		t.fault(name, "has only %s and can be guessed; use at least %d: openssl rand -hex 16", count(len(value), "byte"), shortestWebSecret)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		t.fault(name, "contains spaces or characters that are not ASCII, which HTTP cannot carry; use another: openssl rand -hex 16")
	}
}

func readClients(root *table, listens bool) []RESTClient {
	var clients []RESTClient
	for _, t := range root.tables("rest_client") {
		c := readClient(t)
		if !listens {
			t.r.fault(t.path, "requires http.listen, which is not set; write listen = \"127.0.0.1:9215\" in [http]")
		}
		for i, other := range clients {
			if c.Name != "" && c.Name == other.Name {
				t.fault("name", "is the name of rest_client[%d] too; choose another", i)
			}
			if !c.Key.IsEmpty() && c.Key.Equal(other.Key) {
				t.fault(t.secretKey("key"), "is the key of rest_client[%d] too; give each client its own", i)
			}
		}
		clients = append(clients, c)
	}
	return clients
}

var clientName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func readClient(t *table) RESTClient {
	defer t.unknown()
	c := RESTClient{Name: t.string("name"), Key: t.secret("key")}
	switch {
	case !t.has("name"):
		t.missing("name", "; write a short name for the log, such as \"janus\"")
	case c.Name != "" && !clientName.MatchString(c.Name):
		t.fault("name", "is not a name; use up to 32 of a-z, 0-9 and -")
	}
	t.requireSecret("key", "the key that the client sends")
	checkWebSecret(t, t.secretKey("key"), c.Key)
	return c
}

package config

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"extdisco/component"
	"extdisco/internal/reach"
	"extdisco/internal/secret"
	"extdisco/internal/xmltext"
)

// Component is one [[component]], or [component]: our address on an XMPP server, and the link to it.
type Component struct {
	Key         string        // where it stands: "component", or "component[1]"
	Name        string        // of the link, for logs, metrics and the status page; default: JID
	ServiceName string        // of the component in service browsers; default: [DefaultServiceName]
	JID         string        // our address, a domain, in lower case and as it was spelt otherwise
	Server      string        // HOST:PORT where the XMPP server accepts components; default: [DefaultServer]
	Secret      secret.Secret // the handshake secret
	Hosts       []string      // domains that may delegate or bridge to us; default: the parent domain of JID
}

// SameLink reports whether both make the same link, whatever its name.
func (c Component) SameLink(other Component) bool {
	return c.ServiceName == other.ServiceName && c.JID == other.JID && c.Server == other.Server &&
		c.Secret.Equal(other.Secret) && slices.Equal(c.Hosts, other.Hosts)
}

// DefaultServer is where Prosody and ejabberd accept components.
const DefaultServer = "127.0.0.1:5347"

// DefaultServiceName is what service browsers show (XEP-0030, the name of the identity).
const DefaultServiceName = "TURN/STUN credentials"

// readComponents reads [component], or each [[component]].
func readComponents(root *table, own Relay) []Component {
	tables := root.oneOrMore("component")
	if !root.has("component") {
		if own.On {
			if own.Secret.IsEmpty() && !root.hasIn("relay", "secret", "secret_file") {
				root.r.fault("relay.secret_file", "is missing, and a relay without [component] requires it; name the file with the shared secret that the credentials are made with elsewhere, or write [component]")
			}
			return nil
		}
		root.fault("component", "is missing; write [component] with the keys jid and secret_file")
		tables[0].wrong = true
	}
	var components []Component
	for _, t := range tables {
		c := readComponent(t)
		for i, other := range components {
			checkDistinct(t, c, other, tables[i].has("name"))
		}
		components = append(components, c)
	}
	return components
}

func readComponent(t *table) Component {
	defer t.unknown()
	c := Component{Key: t.path, JID: readJID(t), Server: t.string("server"), Secret: t.secret("secret"), ServiceName: DefaultServiceName}
	if c.Name = t.string("name"); c.Name != "" {
		checkLabel(t, "name", c.Name)
	} else {
		c.Name = c.JID
	}
	c.Server = readServer(t, c.Server)
	t.requireSecret("secret", "the handshake secret (Prosody: component_secret, ejabberd: password)")
	if n := len(c.Secret.Reveal()); n > 0 && n < shortSecret {
		t.warn(t.secretKey("secret"), "the handshake secret has only %s; use a random one of 32 bytes, here and on the XMPP server: openssl rand -hex 32", count(n, "byte"))
	}
	if name := t.string("service_name"); name != "" {
		checkLabel(t, "service_name", name)
		c.ServiceName = name
	}
	c.Hosts = readHosts(t, c.JID)
	return c
}

// checkDistinct reports what two components cannot have in common. Several servers may have a host
// of the same name, as the shards of a Jitsi Meet do, and know us by the same address.
func checkDistinct(t *table, c, other Component, otherIsNamed bool) {
	if strings.EqualFold(c.Server, other.Server) {
		if c.JID == other.JID && c.JID != "" {
			t.fault("jid", "is the jid of %s too, at the same server, where the two would take the link from each other; remove one of them, or give it another server", other.Key)
			return
		}
		for _, host := range c.Hosts {
			if slices.Contains(other.Hosts, host) {
				t.fault("hosts", "has a host of %s too, at the same server; a host needs one component: remove it from one of them", other.Key)
				break
			}
		}
	}
	switch {
	case c.Name == "" || c.Name != other.Name:
	case t.has("name"):
		t.fault("name", "is the name of %s too; choose another", other.Key)
	case otherIsNamed:
		t.fault("name", "is missing, and its default, the jid, is the name of %s; write a name of its own", other.Key)
	default:
		t.fault("name", "is missing, and %s has the same jid; write a name of its own for each", other.Key)
	}
}

// maxLabel bounds names that people read, in bytes.
const maxLabel = 200

// checkLabel refuses a name that cannot be shown.
func checkLabel(t *table, key, name string) {
	if !xmltext.IsValid(name) || strings.ContainsAny(name, "\r\n\t") || len(name) > maxLabel {
		t.fault(key, "is not a name; write one line of at most %d bytes", maxLabel)
	}
}

func readJID(t *table) string {
	s := t.string("jid")
	switch {
	case !t.has("jid"):
		t.missing("jid", "; write the component's address, as in the XMPP server's configuration, such as \"turn.example.org\"")
	case s == "":
	case strings.ContainsAny(s, "@/"):
		t.fault("jid", "is not the address of a component; write a domain, without @ and /")
	case strings.Contains(s, "_"):
		t.fault("jid", "has an underscore, which is not allowed in a domain; choose a name without it, here and in the XMPP server's configuration")
	default:
		parsed, err := component.ParseJID(s)
		if err == nil {
			return normalAddress(s, parsed)
		}
		t.fault("jid", "is not a domain; write the component's address, such as \"turn.example.org\"")
	}
	return ""
}

// readHosts returns the hosts that are trusted, by default the parent domain of the component.
func readHosts(t *table, jid string) []string {
	var hosts []string
	t.eachString("hosts", func(key, host string) {
		normal, ok := readAddress(t, key, host)
		if ok && strings.Contains(normal, "@") {
			t.fault(key, "is not a domain; write it without the user and the @")
		}
		if ok && normal == jid {
			t.fault("jid", "is one of %s too, which are the server's VirtualHosts; a component needs a name of its own, such as \"turn.example.org\" for \"example.org\"", t.key("hosts"))
		}
		hosts = append(hosts, normal)
	})
	if t.has("hosts") || jid == "" {
		return hosts
	}
	_, parent, found := strings.Cut(jid, ".")
	if !found {
		t.fault("hosts", "is missing, and jid has no parent domain to use instead; write hosts = [\"DOMAIN\"], the domain of the users")
		return nil
	}
	if !strings.Contains(parent, ".") && reach.Of(parent) != reach.Loopback {
		t.warn("jid", "seems to be the users' own domain: its parent domain, which is trusted and served by default, is a single word; "+
			"use a separate name such as \"turn.example.org\", or set hosts")
	}
	return []string{parent}
}

// otherPorts are ports of XMPP servers where no component is accepted.
var otherPorts = map[uint64]string{
	5222: "for clients", 5223: "for clients, with TLS", 5269: "for other servers", 5270: "for other servers, with TLS",
	5280: "for HTTP", 5281: "for HTTP, with TLS", 5443: "for HTTP, with TLS",
}

func readServer(t *table, server string) string {
	if server == "" {
		return DefaultServer
	}
	host, port, err := net.SplitHostPort(server)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || host == "" {
		t.fault("server", "is not an address; write HOST:PORT, such as %q or \"[::1]:5347\"", DefaultServer)
		return server
	}
	if what, known := otherPorts[number]; known {
		t.fault("server", "%d is the XMPP server's port %s; use the one for components, usually 5347 (Prosody: component_ports; ejabberd: the ejabberd_service in listen)", number, what)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		t.warn("server", "the link to another machine is not encrypted and carries credentials; keep it in a private network or in a tunnel")
	}
	return server
}

package config

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"extdisco/component"
	"extdisco/internal/secret"
)

// Component is [component]: our address on the XMPP server, and the link to it.
type Component struct {
	JID    string        // our address, a domain
	Server string        // HOST:PORT where the XMPP server accepts components; default: [DefaultServer]
	Secret secret.Secret // the handshake secret
	Hosts  []string      // domains that may delegate or bridge to us; default: the parent domain of JID
}

// Equal reports whether both make the same link.
func (c Component) Equal(other Component) bool {
	return c.JID == other.JID && c.Server == other.Server &&
		c.Secret.Equal(other.Secret) && slices.Equal(c.Hosts, other.Hosts)
}

// DefaultServer is where Prosody and ejabberd accept components.
const DefaultServer = "127.0.0.1:5347"

func readComponent(root *table) Component {
	t := root.table("component")
	defer t.unknown()
	if !root.has("component") {
		root.fault("component", "is missing; write [component] with the keys jid and secret_file")
		t.wrong = true
	}
	c := Component{JID: t.string("jid"), Server: t.string("server"), Secret: t.secret("secret")}
	if !t.has("jid") {
		t.missing("jid", "; write the component's address, as in the XMPP server's configuration, such as \"turn.example.org\"")
	}
	if c.JID != "" {
		address, err := component.ParseJID(c.JID)
		if err != nil {
			t.fault("jid", "%v", err)
		}
		c.JID = address.String()
	}
	c.Server = readServer(t, c.Server)
	t.requireSecret("secret", "the handshake secret (Prosody: component_secret, ejabberd: password)")
	t.eachString("hosts", func(key, host string) {
		normal, ok := readAddress(t, key, host)
		if ok && strings.Contains(normal, "@") {
			t.fault(key, "%q is not a domain; it has an @", host)
		}
		c.Hosts = append(c.Hosts, normal)
	})
	if !t.has("hosts") && c.JID != "" {
		_, parent, found := strings.Cut(c.JID, ".")
		if !found {
			t.fault("hosts", "is missing, and component.jid has no parent domain to take instead; write [\"DOMAIN\"], the domain of the users")
		} else {
			c.Hosts = []string{parent}
		}
	}
	return c
}

func readServer(t *table, server string) string {
	if server == "" {
		return DefaultServer
	}
	host, port, err := net.SplitHostPort(server)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || host == "" {
		t.fault("server", "%q is not an address; write HOST:PORT, such as %q or \"[::1]:5347\"", server, DefaultServer)
		return server
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		t.warn("server", "the link to %s is not encrypted and carries credentials; keep it on this machine, in a private network or in a tunnel", host)
	}
	return server
}

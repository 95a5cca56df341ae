package setup

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	"extdisco/internal/config"
)

// configText is config.toml. servers are its [[ice_server]] tables.
func configText(c *config.Config, secrets, servers string) string {
	var b strings.Builder
	b.WriteString("# Written by extdisco setup. config.toml.example explains every key.\n\n[component]\n")
	fmt.Fprintf(&b, "jid         = %q\n", c.Component.JID)
	if c.Component.Server != config.DefaultServer {
		fmt.Fprintf(&b, "server      = %q\n", c.Component.Server)
	}
	fmt.Fprintf(&b, "secret_file = %q\n", path.Join(secrets, "component.secret"))
	fmt.Fprintf(&b, "hosts       = %s\n", quoteList(c.Component.Hosts))
	if !slices.Equal(c.Access.Allow, c.Component.Hosts) {
		fmt.Fprintf(&b, "\n[access]\nallow = %s\n", quoteList(c.Access.Allow))
	}
	if c.HTTP.Listen != "" {
		fmt.Fprintf(&b, "\n[http]\nlisten = %q\n", c.HTTP.Listen)
	}
	if c.Relay.On {
		servers = relayText(c.Relay) + servers
	}
	return b.String() + "\n" + servers
}

// quoteList writes names as a list, which are addresses: TOML and Lua read them alike but
// for the brackets.
func quoteList(names []string) string { return "[" + quoteNames(names) + "]" }

func quoteNames(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	return strings.Join(quoted, ", ")
}

// confText is the file in Prosody's conf.d. With open it opens the port for components, on
// the given interface.
func confText(c config.Component, open bool, listenOn string) string {
	var b strings.Builder
	b.WriteString("-- Written by extdisco setup; extdisco setup --undo takes it away again.\n")
	if open {
		_, port, _ := net.SplitHostPort(c.Server)
		fmt.Fprintf(&b, "component_ports = { %s }\n", port)
	}
	if listenOn != "" {
		b.WriteString("-- The link is not encrypted: the port must not be published.\n")
		fmt.Fprintf(&b, "component_interfaces = { %q }\n", listenOn)
	}
	fmt.Fprintf(&b, "\nComponent %q\n    component_secret = %s\n    component_conflict_resolve = \"kick_old\"\n    modules_enabled = { \"extdisco_bridge\" }\n", c.JID, quoteLua(c.Secret.Reveal()))
	if _, parent, _ := strings.Cut(c.JID, "."); len(c.Hosts) != 1 || c.Hosts[0] != parent {
		fmt.Fprintf(&b, "    extdisco_hosts = { %s }\n", quoteNames(c.Hosts))
	}
	return b.String()
}

// quoteLua makes a string literal of Lua.
func quoteLua(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

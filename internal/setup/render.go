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
	fmt.Fprintf(&b, "jid         = %q\n", c.Components[0].JID)
	if c.Components[0].Server != config.DefaultServer {
		fmt.Fprintf(&b, "server      = %q\n", c.Components[0].Server)
	}
	fmt.Fprintf(&b, "secret_file = %q\n", path.Join(secrets, "component.secret"))
	fmt.Fprintf(&b, "hosts       = %s\n", quoteList(c.Components[0].Hosts))
	if !slices.Equal(c.Access.Allow, c.Components[0].Hosts) {
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

// quoteList writes addresses as a list of TOML.
func quoteList(addresses []string) string {
	var quoted []string
	for _, a := range addresses {
		quoted = append(quoted, fmt.Sprintf("%q", a))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// confText is the file in Prosody's conf.d. With open it opens the port for components, on
// the given interface.
func confText(c config.Component, open bool, listenOn string) string {
	var b strings.Builder
	b.WriteString("-- Written by extdisco setup; extdisco setup --undo removes it.\n")
	if open {
		_, port, _ := net.SplitHostPort(c.Server)
		fmt.Fprintf(&b, "component_ports = { %s }\n", port)
	}
	if listenOn != "" {
		b.WriteString("-- The link is not encrypted: the port must not be published.\n")
		fmt.Fprintf(&b, "component_interfaces = { %q }\n", listenOn)
	}
	return b.String() + "\n" + ProsodyComponent(c, "extdisco_bridge")
}

// ProsodyComponent is the section of Prosody's configuration that lets extdisco in, with the
// module that brings it its requests.
func ProsodyComponent(c config.Component, module string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Component %s\n    component_secret = %s\n    component_conflict_resolve = \"kick_old\"\n    modules_enabled = { %s }\n",
		QuoteLua(c.JID), QuoteLua(c.Secret.Reveal()), QuoteLua(module))
	_, parent, _ := strings.Cut(c.JID, ".")
	if isDefault := len(c.Hosts) == 1 && c.Hosts[0] == parent; module == "extdisco_bridge" && !isDefault {
		var hosts []string
		for _, host := range c.Hosts {
			hosts = append(hosts, QuoteLua(host))
		}
		fmt.Fprintf(&b, "    extdisco_hosts = { %s }\n", strings.Join(hosts, ", "))
	}
	return b.String()
}

// QuoteLua makes a string literal of Lua.
func QuoteLua(s string) string {
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

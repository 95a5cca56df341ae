package lab

import (
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// Host is a domain that the server serves to clients.
type Host struct {
	Name      string
	Anonymous bool              // SASL ANONYMOUS instead of accounts
	Users     map[string]string // accounts: localpart to password

	// DelegateTo is the JID of the component that answers urn:xmpp:extdisco:2
	// and urn:xmpp:extdisco:1 in the name of the host (XEP-0355), or empty.
	DelegateTo string

	Modules []string // further modules_enabled; Prosody only
	Extra   string   // raw configuration lines for this host; ejabberd: inside host_config
}

// Component is an external component (XEP-0114) that the server lets in.
type Component struct {
	JID    string
	Secret string // handshake secret

	Delegation bool     // Prosody: enable mod_delegation on the component too; without, delegation is not announced to it
	KickOld    bool     // Prosody: a new connection replaces the old one, instead of being refused
	Modules    []string // Prosody: further modules_enabled
	Extra      string   // Prosody: raw configuration lines for this component
}

// XMPPConfig describes a server. Prosody and ejabberd understand the same one,
// besides the marked fields, which the other ignores.
type XMPPConfig struct {
	Dir        string // an existing folder for everything the server reads and writes
	Hosts      []Host
	Components []Component

	// CA, when set, issues one certificate for all hosts, 127.0.0.1 and
	// localhost: clients are then offered STARTTLS, and a second port speaks
	// TLS from the first byte (XEP-0368).
	CA *CA

	// ComponentIP is where components connect, 127.0.0.1 by default: the end of
	// a network of the test's own, for a component in a network namespace.
	ComponentIP string

	// Epmd, when set, makes ejabberd a node that others can join, called Node; Join is
	// the node whose cluster it joins, or empty for the first one.
	Epmd       *Epmd
	Node, Join string // NAME@127.0.0.1

	Program  string // Prosody: the command, default "prosody"; prosodyctl is beside it
	HTTP     bool   // Prosody: WebSocket at /xmpp-websocket and BOSH at /http-bind, for all hosts
	LogLevel string // default "debug" for Prosody and "info" for ejabberd
	Extra    string // raw configuration lines at the top level

	// Template, when set, is the whole configuration file in place of the
	// lab's own, in the form of package text/template and with the fields of
	// xmppSettings.
	Template string

	STUNPort int // ejabberd: where Template has ejabberd_stun, which begins later than the rest
}

// XMPPServer is a running, or stopped, Prosody or ejabberd.
// All addresses are "127.0.0.1:PORT", but for ComponentIP, and stay the same over a restart.
type XMPPServer struct {
	C2SAddr       string
	DirectTLSAddr string // empty without a CA
	ComponentAddr string
	HTTPAddr      string // empty without HTTP, and for ejabberd

	daemon
}

//go:embed *.tmpl
var templateFiles embed.FS

// templates are the configuration files, each in its server's own language.
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"quote":     quote,
	"quoteAtom": func(s string) string { return "'" + s + "'" },
	"indent":    indent,
}).ParseFS(templateFiles, "*.tmpl"))

// xmppSettings is what the two XMPP configuration templates see.
type xmppSettings struct {
	XMPPConfig
	C2SPort, DirectTLSPort, ComponentPort, HTTPPort int
	CertFile, KeyFile                               string
}

// newXMPPSettings picks the ports and has the certificate issued.
func newXMPPSettings(cfg XMPPConfig) (*xmppSettings, error) {
	list, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	if cfg.ComponentIP == "" {
		cfg.ComponentIP = "127.0.0.1"
	}
	s := &xmppSettings{
		XMPPConfig: cfg,
		C2SPort:    list[0], DirectTLSPort: list[1], ComponentPort: list[2], HTTPPort: list[3],
	}
	certs := filepath.Join(cfg.Dir, "certs")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if cfg.CA == nil {
		return s, nil
	}
	var names []string
	for _, host := range cfg.Hosts {
		names = append(names, host.Name)
	}
	s.CertFile, s.KeyFile, err = cfg.CA.Issue(certs, append(names, "localhost", "127.0.0.1")...)
	return s, err
}

// server returns the server that the settings describe, without its process.
func (s *xmppSettings) server() *XMPPServer {
	server := &XMPPServer{C2SAddr: loopback(s.C2SPort), ComponentAddr: net.JoinHostPort(s.ComponentIP, strconv.Itoa(s.ComponentPort))}
	server.ready = append(server.ready, accepts(server.C2SAddr))
	if len(s.Components) > 0 { // otherwise Prosody does not open the port
		server.ready = append(server.ready, accepts(server.ComponentAddr))
	}
	if s.CA != nil {
		server.DirectTLSAddr = loopback(s.DirectTLSPort)
		server.ready = append(server.ready, accepts(server.DirectTLSAddr))
	}
	return server
}

// writeConfig writes the configuration file of the server.
func (s *xmppSettings) writeConfig(file, name string) error {
	if s.Template == "" {
		return writeConfig(file, name, s)
	}
	t, err := template.New("configuration").Funcs(template.FuncMap{"quote": quote, "indent": indent}).Parse(s.Template)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return writeTemplate(file, t, s)
}

// writeConfig fills the template of the given name into a file.
func writeConfig(file, name string, data any) error {
	return writeTemplate(file, templates.Lookup(name), data)
}

func writeTemplate(file string, t *template.Template, data any) error {
	var text strings.Builder
	if err := t.Execute(&text, data); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// quote makes a string literal that Lua, YAML and Erlang all read alike.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// indent moves raw lines to the right, for YAML.
func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad)
}

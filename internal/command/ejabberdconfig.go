package command

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"text/template"
	"time"

	"extdisco/internal/config"
)

type ejabberdConfigCommand struct{}

// Help is printed below the flags.
func (ejabberdConfigCommand) Help() string {
	return `The parts name the same addresses and the same handshake secret as config.toml. Merge each into the section of the same name in ejabberd.yml: YAML takes only one of each, and the last one wins. The secret is printed too, so keep the output to yourself.

Example: extdisco ejabberd-config`
}

// Run prints the parts of ejabberd.yml that match the configuration.
func (ejabberdConfigCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	return printEjabberdConfig(env.stdout, cfg)
}

// ejabberdParts is what the template sees.
type ejabberdParts struct {
	File   string
	JID    string
	Secret string
	Hosts  []string
	Port   string
	IP     string // to listen on
	Remote bool   // whether extdisco connects from another machine
}

// ejabberdText is a template of YAML. global_routes: without it, ejabberd gives one
// connection the stanzas of all components.
const ejabberdText = `# For ejabberd.yml, from {{quote .File}}.
# Merge each part into the section of the same name that is there already: of two
# sections with one name, ejabberd takes only the last.

listen:
  # Add this to the ports that are there.
  - port: {{.Port}}
    ip: {{quote .IP}}
{{- if .Remote}}  # not encrypted: only a private network may lie between
{{- end}}
    module: ejabberd_service
    global_routes: false
    hosts:
      {{quote .JID}}:
        password: {{quote .Secret}}

acl:
  extdisco:
    server: {{quote .JID}}

access_rules:
  extdisco:
    allow: extdisco

# Take mod_stun_disco out of modules if it is there, or ejabberd answers itself.
append_host_config:
{{- range .Hosts}}
  {{quote .}}:
    modules:
      mod_delegation:
        namespaces:
          "urn:xmpp:extdisco:2":
            access: extdisco
          "urn:xmpp:extdisco:1":
            access: extdisco
{{- end}}
`

func printEjabberdConfig(w io.Writer, cfg *config.Config) error {
	host, port, err := net.SplitHostPort(cfg.Component.Server)
	if err != nil {
		return fmt.Errorf("%s: component.server: %w", cfg.File, err)
	}
	parts := ejabberdParts{
		File: cfg.File, JID: cfg.Component.JID, Secret: cfg.Component.Secret.Reveal(), Hosts: cfg.Component.Hosts, Port: port, IP: "127.0.0.1",
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback() && ip.To4() != nil:
	case ip != nil && ip.IsLoopback():
		parts.IP = "::1"
	default:
		parts.IP, parts.Remote = "::", true
	}
	ejabberd := template.Must(template.New("").Funcs(template.FuncMap{"quote": quoteYAML}).Parse(ejabberdText))
	return ejabberd.Execute(w, parts)
}

// quoteYAML makes a double-quoted scalar of YAML, whose escapes include those of Go for
// printable text; others are written as \u and \U.
func quoteYAML(s string) string { return strconv.QuoteToASCII(s) }

package command

import (
	"fmt"
	"io"
	"net"
	"strings"
	"text/template"
	"time"

	"extdisco/internal/config"
)

type prosodyConfigCommand struct {
	Jitsi bool `help:"For Jitsi Meet: with mod_extdisco_bridge instead of delegation."`
}

// Help is printed below the flags.
func (prosodyConfigCommand) Help() string {
	return `The blocks name the same addresses and the same handshake secret as config.toml. The secret is printed with them: a file that they go to should be readable by Prosody only.

Example: extdisco prosody-config --jitsi > extdisco.cfg.lua`
}

// Run prints the blocks of Prosody's configuration that fit the configuration.
func (c prosodyConfigCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	return printProsodyConfig(env.stdout, cfg, c.Jitsi)
}

// prosodyBlocks is what the template sees.
type prosodyBlocks struct {
	File      string
	JID       string
	Secret    string
	Hosts     []string
	Port      string // for components; empty for the one that Prosody opens unasked
	Elsewhere string // where extdisco connects to, unless that is its own machine
	Jitsi     bool
}

// prosodyText is a template of Lua. What there may be more than one of in a file, such as
// modules_enabled, has a remark what to do with it.
const prosodyText = `-- For Prosody's configuration, from {{quote .File}}.
-- Put each block where the one of the same name is, or at the end of the file.
{{- if or .Port .Elsewhere}}

-- In the global section, above all hosts.
{{- if .Port}}
component_ports = { {{.Port}} }
{{- end}}
{{- if .Elsewhere}}
-- extdisco connects to {{.Elsewhere}}. The link is not encrypted: only a private
-- network may lie in between.
component_interfaces = { "*" }
{{- end}}
{{- end}}
{{- range .Hosts}}

VirtualHost {{quote .}}
{{- if $.Jitsi}}
    -- Add both to the modules_enabled that this host has. Everything else in it stays.
    modules_enabled = { "external_services", "extdisco_bridge" }
    extdisco_component = {{quote $.JID}}
{{- else}}
    -- Add to the modules_enabled that this host has. Everything else in it stays.
    modules_enabled = { "delegation" }
    modules_disabled = { "external_services", "turn_external" }
    delegations = {
        ["urn:xmpp:extdisco:2"] = { jid = {{quote $.JID}} };
        ["urn:xmpp:extdisco:1"] = { jid = {{quote $.JID}} };
    }
{{- end}}
{{- end}}

Component {{quote .JID}}
    component_secret = {{quote .Secret}}
    component_conflict_resolve = "kick_old"
{{- if not .Jitsi}}
    modules_enabled = { "delegation" }
{{- end}}
{{- if .Jitsi}}

-- Take these out wherever they stand, or the old list is given out too:
-- external_service_secret, external_services = { ... }, turn_external_secret.
-- The file mod_extdisco_bridge.lua belongs into a folder of plugin_paths.
{{- end}}
`

// printProsodyConfig prints the blocks.
func printProsodyConfig(w io.Writer, cfg *config.Config, jitsi bool) error {
	host, port, err := net.SplitHostPort(cfg.Component.Server)
	if err != nil {
		return fmt.Errorf("%s: component.server: %w", cfg.File, err)
	}
	blocks := prosodyBlocks{
		File: cfg.File, JID: cfg.Component.JID, Secret: cfg.Component.Secret.Reveal(), Hosts: cfg.Component.Hosts, Jitsi: jitsi,
	}
	if _, usual, _ := net.SplitHostPort(config.DefaultServer); port != usual {
		blocks.Port = port
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		blocks.Elsewhere = cfg.Component.Server
		blocks.Port = port // some images of Prosody have no port for components at all
	}
	prosody := template.Must(template.New("").Funcs(template.FuncMap{"quote": quoteLua}).Parse(prosodyText))
	return prosody.Execute(w, blocks)
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

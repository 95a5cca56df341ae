package command

import (
	"fmt"
	"io"
	"net"
	"text/template"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/setup"
)

type prosodyConfigCommand struct {
	Delegation bool   `help:"With delegation (XEP-0355), where no module of ours is wanted."`
	Link       string `help:"For which of several components: its name." placeholder:"NAME"`
}

// Help is printed below the flags.
func (prosodyConfigCommand) Help() string {
	return `Prints a file for Prosody's conf.d that enables the bridge. It has the handshake secret in it, so only Prosody should be able to read it. With --delegation, prints blocks to merge into the configuration instead.

Example: extdisco prosody-config > extdisco.cfg.lua`
}

// Run prints the configuration of Prosody that fits ours.
func (c prosodyConfigCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	link, err := setup.ChooseComponent(cfg, c.Link)
	if err != nil {
		return err
	}
	return printProsodyConfig(env.stdout, cfg.File, link, c.Delegation)
}

// prosodyBlocks is what the template sees.
type prosodyBlocks struct {
	File       string
	JID        string
	Hosts      []string
	Port       string // for components; empty for the one that Prosody opens unasked
	Elsewhere  string // where extdisco connects to, unless that is its own machine
	Delegation bool
	Component  string // the section
}

// prosodyText is a template of Lua: a file of its own with the bridge, or blocks for
// delegation. What a file may have once only, such as modules_enabled, has a remark.
const prosodyText = `{{- if .Delegation -}}
-- Delegation to extdisco, from {{quote .File}}. Put each block where the
-- one of the same name is, or at the end of the file.
{{- else -}}
-- The bridge to extdisco, from {{quote .File}}. Put this file into Prosody's
-- conf.d, and the folder mod_extdisco_bridge where Prosody finds modules.
{{- end}}
{{- if or .Port .Elsewhere}}

-- In the global section{{if .Delegation}}, above all hosts{{else}}, in which every file begins{{end}}.
{{- if .Port}}
component_ports = { {{.Port}} }
{{- end}}
{{- if .Elsewhere}}
-- extdisco connects to {{.Elsewhere}}. The link is not encrypted: only a private
-- network may lie in between.
component_interfaces = { "*" }
{{- end}}
{{- end}}
{{- if .Delegation}}
{{- range .Hosts}}

VirtualHost {{quote .}}
    -- Add to the modules_enabled that this host has. Everything else in it stays.
    modules_enabled = { "delegation" }
    modules_disabled = { "external_services", "turn_external" }
    delegations = {
        ["urn:xmpp:extdisco:2"] = { jid = {{quote $.JID}} };
        ["urn:xmpp:extdisco:1"] = { jid = {{quote $.JID}} };
    }
{{- end}}
{{- end}}

{{.Component -}}
`

// printProsodyConfig prints the configuration.
func printProsodyConfig(w io.Writer, file string, link config.Component, delegation bool) error {
	host, port, err := net.SplitHostPort(link.Server)
	if err != nil {
		return fmt.Errorf("%s: %s.server: %w", file, link.Key, err)
	}
	module := "extdisco_bridge"
	if delegation {
		module = "delegation"
	}
	blocks := prosodyBlocks{
		File: file, JID: link.JID, Hosts: link.Hosts, Delegation: delegation, Component: setup.ProsodyComponent(link, module),
	}
	if _, usual, _ := net.SplitHostPort(config.DefaultServer); port != usual {
		blocks.Port = port
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		blocks.Elsewhere = link.Server
		blocks.Port = port // some images of Prosody have no port for components at all
	}
	prosody := template.Must(template.New("").Funcs(template.FuncMap{"quote": setup.QuoteLua}).Parse(prosodyText))
	return prosody.Execute(w, blocks)
}

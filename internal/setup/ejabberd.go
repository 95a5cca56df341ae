package setup

import (
	"errors"
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"extdisco/internal/config"
	"extdisco/internal/migrate"
)

// ejabberdFiles are where ejabberd's packages have its configuration.
var ejabberdFiles = []string{"/etc/ejabberd/ejabberd.yml", "/opt/ejabberd/conf/ejabberd.yml"}

// planEjabberd plans our own files, and the block for ejabberd.yml, which is not written:
// its comments and its layout are its administrator's.
func (s *setup) planEjabberd(p *Plan) error {
	for _, file := range ejabberdFiles {
		content, err := s.tree.read(file)
		if err != nil {
			continue
		}
		p.Found = append(p.Found, Line{"ejabberd", file})
		c, err := s.existingConfig(p, configFile)
		if err == nil && c == nil {
			c, err = s.ejabberdConfig(p, file, string(content))
		}
		if err != nil {
			return err
		}
		p.Domain = c.Components[0].Hosts[0]
		p.Ejabberd, err = ejabberdText(file, c.Components[0])
		return err
	}
	return errors.New("no XMPP server was found: there is neither /etc/prosody/prosody.cfg.lua nor " + strings.Join(ejabberdFiles, " nor ") +
		"; name Prosody's configuration with --prosody-config FILE, or the folder of docker-jitsi-meet with --docker-jitsi-meet DIR")
}

func (s *setup) ejabberdConfig(p *Plan, file, content string) (*config.Config, error) {
	domains := addMissing(nil, s.options.Domains)
	if len(domains) == 0 {
		domains = ejabberdHosts(content)
		if len(domains) != 1 {
			return nil, fmt.Errorf("%s lists %d hosts besides localhost; name the domain of your users with --domain DOMAIN", file, len(domains))
		}
	}
	c := &config.Config{Components: make([]config.Component, 1), Access: config.Access{Allow: addMissing(slices.Clone(domains), s.options.Allow)}}
	p.Found = append(p.Found, Line{"Domain", strings.Join(c.Access.Allow, ", ")})
	c.Components[0].Hosts = domains
	if c.Components[0].JID = s.options.Component; c.Components[0].JID == "" {
		c.Components[0].JID = "turn." + domains[0]
	}
	if c.Components[0].Server = s.options.Server; c.Components[0].Server == "" {
		c.Components[0].Server = config.DefaultServer
	}
	return c, s.planServers(p, c, func() (*found, error) { return s.ejabberdServers(file, content) })
}

// ejabberdServers finds the TURN servers: those that are named, those of mod_stun_disco, or
// coturn on this machine.
func (s *setup) ejabberdServers(file, content string) (*found, error) {
	list, err := migrate.Read("ejabberd.yml", content, s.options.TURNHost)
	if len(s.options.TURNServers) > 0 || err != nil || list.Format != migrate.FormatEjabberd || !relays(list) {
		return s.servers(oldList{})
	}
	named, err := s.namedSecret()
	if err != nil {
		return nil, err
	}
	f := &found{list: list, where: file}
	f.takeNotes(file)
	return f, f.complete(named)
}

var (
	ejabberdHostList = regexp.MustCompile(`(?m)^hosts:[ \t]*(?:#.*)?\n((?:[ \t]*(?:-.*|#.*)?\n)*)`)
	ejabberdHost     = regexp.MustCompile(`(?m)^[ \t]*-[ \t]*["']?([^"'\s#]+)`)
)

// ejabberdHosts returns the hosts that stand one a line below hosts:, without localhost.
func ejabberdHosts(content string) []string {
	var hosts []string
	for _, list := range ejabberdHostList.FindAllStringSubmatch(content+"\n", 1) {
		for _, m := range ejabberdHost.FindAllStringSubmatch(list[1], -1) {
			if m[1] != "localhost" {
				hosts = append(hosts, strings.ToLower(m[1]))
			}
		}
	}
	return hosts
}

// ejabberdText says what to add to ejabberd.yml.
func ejabberdText(file string, c config.Component) (string, error) {
	block, err := EjabberdConfig(c, "the content of component.secret")
	return fmt.Sprintf("setup does not edit %s. Merge each of these parts into the section of that name that you have.\n"+
		"The password is in %s; extdisco ejabberd-config prints all this with the password filled in.\n\n%s", file, path.Join(secretFolder, "component.secret"), block), err
}

// ejabberdParts is what the template sees.
type ejabberdParts struct {
	JID      string
	Password string
	Hosts    []string
	Port     string
	IP       string // to listen on
	Remote   bool   // whether extdisco connects from another machine
}

// ejabberdYAML is a template of YAML. global_routes: without it, ejabberd gives one
// connection the stanzas of all components.
var ejabberdYAML = template.Must(template.New("").Funcs(template.FuncMap{"quote": quoteYAML}).Parse(`listen:
  # Add this to the ports that are there.
  - port: {{.Port}}
    ip: {{quote .IP}}
{{- if .Remote}}  # not encrypted: only a private network may lie between
{{- end}}
    module: ejabberd_service
    global_routes: false
    hosts:
      {{quote .JID}}:
        password: {{quote .Password}}

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
`))

// EjabberdConfig returns the parts of ejabberd.yml that let extdisco in and delegate to it.
func EjabberdConfig(c config.Component, password string) (string, error) {
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return "", fmt.Errorf("component.server: %w", err)
	}
	parts := ejabberdParts{JID: c.JID, Password: password, Hosts: c.Hosts, Port: port, IP: "127.0.0.1"}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback() && ip.To4() != nil:
	case ip != nil && ip.IsLoopback():
		parts.IP = "::1"
	default:
		parts.IP, parts.Remote = "::", true
	}
	var b strings.Builder
	err = ejabberdYAML.Execute(&b, parts)
	return b.String(), err
}

// quoteYAML makes a double-quoted scalar of YAML, whose escapes include those of Go for
// printable text; others are written as \u and \U.
func quoteYAML(s string) string { return strconv.QuoteToASCII(s) }

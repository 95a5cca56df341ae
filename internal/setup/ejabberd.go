package setup

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

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
		p.Domain = c.Component.Hosts[0]
		p.Ejabberd = ejabberdText(file, c.Component)
		return nil
	}
	return errors.New("no XMPP server was found: there is neither /etc/prosody/prosody.cfg.lua nor " + strings.Join(ejabberdFiles, " nor ") +
		"; name Prosody's configuration with --prosody-config FILE, or the folder of docker-jitsi-meet with --docker-jitsi-meet DIR")
}

func (s *setup) ejabberdConfig(p *Plan, file, content string) (*config.Config, error) {
	domains := s.options.Domains
	if len(domains) == 0 {
		domains = ejabberdHosts(content)
		if len(domains) != 1 {
			return nil, fmt.Errorf("%s has %d hosts besides localhost; name the domain of your users with --domain DOMAIN", file, len(domains))
		}
	}
	c := &config.Config{Access: config.Access{Allow: append(append([]string{}, domains...), s.options.Allow...)}}
	p.Found = append(p.Found, Line{"Domain", strings.Join(c.Access.Allow, ", ")})
	c.Component.Hosts = domains
	if c.Component.JID = s.options.Component; c.Component.JID == "" {
		c.Component.JID = "turn." + domains[0]
	}
	if c.Component.Server = s.options.Server; c.Component.Server == "" {
		c.Component.Server = config.DefaultServer
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
func ejabberdText(file string, c config.Component) string {
	return fmt.Sprintf("setup does not write %s. Add this, each part below the key of the same name if it is there,\n"+
		"with the content of %s as the password, and remove mod_stun_disco:\n\n%s",
		file, path.Join(secretFolder, "component.secret"), ejabberdBlock(c, "the content of component.secret"))
}

// ejabberdBlock is the part of ejabberd.yml that lets extdisco in and delegates to it.
func ejabberdBlock(c config.Component, password string) string {
	return fmt.Sprintf(`listen:
  -
    port: %[1]s
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    global_routes: false
    hosts:
      %[2]s:
        password: %[3]q

acl:
  extdisco:
    server: %[2]s
access_rules:
  extdisco:
    allow: extdisco

modules:
  mod_delegation:
    namespaces:
      "urn:xmpp:extdisco:2":
        access: extdisco
      "urn:xmpp:extdisco:1":
        access: extdisco
`, portOf(c.Server), c.JID, password)
}

func portOf(server string) string { return server[strings.LastIndexByte(server, ':')+1:] }

package setup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"extdisco/internal/config"
	"extdisco/internal/migrate"
	"extdisco/internal/secret"
	"extdisco/prosody"
)

// Where extdisco's own files are on a machine.
const (
	configFile   = "/etc/extdisco/config.toml"
	secretFolder = "/etc/extdisco/secrets"
)

// planMachine plans for an XMPP server that runs on the machine itself.
func (s *setup) planMachine(p *Plan) error {
	server, err := s.readProsody()
	if err != nil {
		return err
	}
	if server == nil {
		return s.planEjabberd(p)
	}
	p.Prosody = server.config
	version := "Prosody"
	if server.version != "" {
		version += " " + server.version
	}
	p.Found = append(p.Found, Line{version, server.config})
	c, err := s.existingConfig(p, configFile)
	if err == nil && c == nil {
		c, err = s.newConfig(p, server)
	}
	if err != nil {
		return err
	}
	domains := c.Components[0].Hosts
	p.Domain = domains[0]
	p.IsJitsi = slices.Contains(server.jitsiDomains(), p.Domain)
	if err := s.planProsody(p, server, c); err != nil {
		return err
	}
	p.Remarks = append(p.Remarks, server.hints(domains)...)
	return s.planOldList(p, server.oldList(domains))
}

// existingConfig returns the configuration that is there already, unless it is the one that
// packages install. It is used as it stands; of several components, it has the chosen one.
func (s *setup) existingConfig(p *Plan, name string) (*config.Config, error) {
	content, err := s.tree.read(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && s.isExample(string(content)) {
		if s.options.Link != "" {
			return nil, fmt.Errorf("--link names a component of %s, and there is none yet; leave it out to have one written", name)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := s.tree.path(name)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(file, s.options.Now)
	if err != nil {
		return nil, fmt.Errorf("%s exists and is not valid; fix it, or move it away and setup writes a new one:\n%w", name, err)
	}
	if len(c.Components) == 0 {
		return nil, fmt.Errorf("%s exists and has no [component], so there is no XMPP server to set up; add one, or move the file away and setup writes a new one", name)
	}
	link, err := ChooseComponent(c, s.options.Link)
	if err != nil {
		return nil, err
	}
	several := len(c.Components) > 1
	c.Components = []config.Component{link}
	o := s.options
	if len(o.Domains) > 0 || o.Component != "" || o.Server != "" || len(o.Allow) > 0 || len(o.TURNServers) > 0 || o.SecretFile != "" || o.TURNHost != "" || o.Relay {
		return nil, fmt.Errorf("%s exists and is used as it is, so flags that say what to write into it have no effect; edit it, or move it away and setup writes a new one", name)
	}
	p.Config = file
	p.Found = append(p.Found, Line{"Configuration", name + ", used as it is"})
	if several {
		p.Found = append(p.Found, Line{"Link", link.Name})
	}
	return c, nil
}

// newConfig plans config.toml and the secrets.
func (s *setup) newConfig(p *Plan, server *prosodyServer) (*config.Config, error) {
	domains, isJitsi, err := s.domains(server)
	if err != nil {
		return nil, err
	}
	c := &config.Config{Components: make([]config.Component, 1), Access: config.Access{Allow: s.served(server, domains)}}
	what := "Domain"
	if isJitsi {
		what = "Jitsi Meet"
	}
	p.Found = append(p.Found, Line{what, strings.Join(c.Access.Allow, ", ")})
	if c.Components[0].JID, err = s.componentAddress(server, domains); err != nil {
		return nil, err
	}
	c.Components[0].Hosts = domains
	c.Components[0].Server = s.options.Server
	if c.Components[0].Server == "" {
		if c.Components[0].Server, _, err = server.componentServer(); err != nil {
			return nil, err
		}
	}
	return c, s.planServers(p, c, func() (*found, error) { return s.servers(server.oldList(domains)) })
}

// isExample reports whether a configuration is config.toml.example as packages install it,
// with the secrets in their folder.
func (s *setup) isExample(text string) bool {
	alike := func(text string) string { return strings.ReplaceAll(text, `"secrets/`, `"`) }
	return alike(text) == alike(s.options.ConfigExample)
}

func (p *Plan) addServers(f *found) {
	var uris []string
	for _, server := range f.list.Servers {
		uris = append(uris, server.URIs...)
	}
	p.Found = append(p.Found, Line{"TURN servers", f.where})
	for _, uri := range uris {
		p.Found = append(p.Found, Line{"", uri})
	}
	p.Remarks = append(p.Remarks, f.remarks...)
}

// place says where the configuration and its secrets go, and to whom they belong.
type place struct {
	config, secrets string
	named           string // the folder of the secrets, as the configuration names it
	group           string // that may read the configuration; "" for the owner alone
	owner           owner
}

// planConfig plans a configuration and its secrets, and puts the handshake secret into it.
func (s *setup) planConfig(p *Plan, c *config.Config, list *migrate.List, at place) error {
	err := errors.Join(s.newFolder(p, path.Dir(at.config), 0o755, at.owner), s.newFolder(p, at.secrets, 0o700, at.owner))
	if err != nil {
		return err
	}
	if c.Components[0].Secret, err = s.handshakeSecret(at); err != nil {
		return err
	}
	files := append([]migrate.SecretFile{{Name: "component.secret", Value: c.Components[0].Secret}}, list.SecretFiles()...)
	for _, f := range files {
		if err := s.newFile(p, path.Join(at.secrets, f.Name), []byte(f.Value.Reveal()+"\n"), 0o600, at.owner); err != nil {
			return err
		}
	}
	text := configText(c, at.named, list.TOML(migrate.Secrets{Dir: at.named, Stored: true}, s.options.Now))
	mode, o := fs.FileMode(0o640), at.owner
	if gid, ok := s.tree.group(at.group); ok {
		o.GID = gid
	} else if at.group != "" {
		mode = 0o644 // no secret is in it
	}
	if p.Config, err = s.tree.path(at.config); err != nil {
		return err
	}
	return s.newFile(p, at.config, []byte(text), mode, o)
}

// handshakeSecret returns the one that is there already, or a new one.
func (s *setup) handshakeSecret(at place) (secret.Secret, error) {
	content, err := s.tree.read(path.Join(at.secrets, "component.secret"))
	if value := strings.TrimSpace(string(content)); err == nil && value != "" {
		return secret.New(value), nil
	}
	random := make([]byte, 32)
	if _, err := io.ReadFull(s.options.Random, random); err != nil {
		return secret.Secret{}, err
	}
	return secret.New(fmt.Sprintf("%x", random)), nil
}

// planProsody plans the module and the file in conf.d.
func (s *setup) planProsody(p *Plan, server *prosodyServer, c *config.Config) error {
	folder, err := server.confFolder()
	if err != nil {
		return err
	}
	modules, err := s.moduleFolder(server)
	if err != nil {
		return err
	}
	if taken := server.component(c.Components[0].JID); taken != nil {
		return fmt.Errorf("%s, line %d: there is a Component %q already; delete it, since setup writes %s/%s for it", taken.file, taken.line, c.Components[0].JID, folder, confFile)
	}
	if err := s.planModule(p, modules, owner{}); err != nil {
		return err
	}
	_, open, err := server.componentServer()
	if err != nil && s.options.Server == "" {
		return err
	}
	o := owner{}
	if gid, ok := s.tree.group("prosody"); ok {
		o.GID = gid
	} else if info, err := s.tree.stat(server.config); err == nil {
		o = ownerOf(info)
	}
	conf := confText(c.Components[0], open, "")
	return s.newFile(p, path.Join(folder, confFile), []byte(conf), 0o640, o)
}

// planModule plans the files of the module. What an older one has besides is left.
func (s *setup) planModule(p *Plan, folder string, o owner) error {
	return fs.WalkDir(prosody.Module, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := prosody.Module.ReadFile(name)
		if err != nil {
			return err
		}
		return s.newFile(p, path.Join(folder, name), content, 0o644, o)
	})
}

// planOldList takes the old list out, or says that it is still there.
func (s *setup) planOldList(p *Plan, old oldList) error {
	if s.options.RemoveOld && len(old.plain)+len(old.computed) > 0 {
		return s.removeOld(p, old)
	}
	for _, st := range old.unknown {
		p.Remarks = append(p.Remarks, fmt.Sprintf("%s, line %d: the options of %s are computed and were not read. If they hold external_services or turn_external_*, delete these there.", st.file, st.line, st.host))
	}
	var places []string
	for _, st := range append(slices.Clone(old.plain), old.computed...) {
		places = append(places, fmt.Sprintf("%s (%s, line %d)", st.name, st.file, st.line))
	}
	if len(places) > 0 {
		p.Remarks = append(p.Remarks, "Prosody still hands out its old list, and still has its secret: "+strings.Join(places, ", ")+". With --remove-old, setup comments it out.")
	}
	return nil
}

package setup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// prosodyServer is what was found of a Prosody. All names of files are as Prosody sees
// them, below the root.
type prosodyServer struct {
	config     string // prosody.cfg.lua
	version    string // "" if unknown
	statements []statement
	hosts      []statement // VirtualHosts that are enabled, in order
}

// readProsody reads the configuration with all that it includes. It is nil when there is
// none.
func (s *setup) readProsody() (*prosodyServer, error) {
	p := &prosodyServer{config: s.options.ProsodyConfig}
	if p.config == "" {
		p.config = "/etc/prosody/prosody.cfg.lua"
		if !s.tree.exists(p.config) {
			return nil, nil
		}
	}
	if err := s.readProsodyFile(p, p.config, map[string]bool{}); err != nil {
		return nil, err
	}
	if version, err := s.tree.read("/usr/lib/prosody/prosody.version"); err == nil {
		p.version = strings.TrimSpace(string(version))
	}
	for _, st := range p.statements {
		if st.kind == isVirtualHost && st.name != "*" && p.isEnabled(st.name) && !slices.ContainsFunc(p.hosts, func(h statement) bool { return h.name == st.name }) {
			p.hosts = append(p.hosts, st)
		}
	}
	return p, nil
}

// readProsodyFile adds the statements of a file, with those of included files in their
// place.
func (s *setup) readProsodyFile(p *prosodyServer, file string, seen map[string]bool) error {
	if seen[file] {
		return nil
	}
	seen[file] = true
	text, err := s.tree.read(file)
	if err != nil {
		return fmt.Errorf("cannot read Prosody's configuration: %w", err)
	}
	statements, err := prosodyStatements(file, string(text))
	if err != nil {
		return fmt.Errorf("cannot read Prosody's configuration: %w", err)
	}
	for _, st := range statements {
		p.statements = append(p.statements, st)
		if st.kind != isInclude {
			continue
		}
		pattern := st.included()
		matches, err := s.tree.included(pattern)
		if err != nil {
			return fmt.Errorf("%s, line %d: Include %q: %w", file, st.line, st.name, err)
		}
		for _, included := range matches {
			if included == extdiscoConfOf(pattern) {
				continue // it is ours
			}
			if err := s.readProsodyFile(p, included, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// included returns what an Include names. Prosody takes it from the folder of the file that
// the Include stands in.
func (st statement) included() string {
	if path.IsAbs(st.name) {
		return path.Clean(st.name)
	}
	return path.Join(path.Dir(st.file), st.name)
}

func extdiscoConfOf(pattern string) string { return path.Join(path.Dir(pattern), confFile) }

// confFile is the name of our file in Prosody's conf.d.
const confFile = "extdisco.cfg.lua"

// confFolder returns the folder where a file of ours is included from.
func (p *prosodyServer) confFolder() (string, error) {
	for _, st := range p.statements {
		if st.kind != isInclude || !st.isPlain || st.file != p.config {
			continue
		}
		if pattern := st.included(); isIncluded(pattern, confFile) {
			return path.Dir(pattern), nil
		}
	}
	return "", fmt.Errorf("%s includes no folder of files; add the line Include \"conf.d/*.cfg.lua\" at its end, create the folder and run setup again", p.config)
}

// option returns the last value that an option of a host, or of the global section, is
// given. Several files that an Include takes in no order must not disagree.
func (p *prosodyServer) option(host, name string) (*statement, error) {
	var last *statement
	for i, st := range p.statements {
		if st.kind != isOption || st.name != name || st.host != host {
			continue
		}
		disagree := last != nil && !(slices.Equal(last.strings(), st.strings()) && slices.Equal(last.numbers(), st.numbers()))
		if disagree && last.file != st.file && last.file != p.config && st.file != p.config {
			return nil, fmt.Errorf("%s is set in %s and in %s, which Prosody reads in no certain order", name, last.file, st.file)
		}
		last = &p.statements[i]
	}
	return last, nil
}

func (p *prosodyServer) isEnabled(host string) bool {
	enabled, err := p.option(host, "enabled")
	return err != nil || enabled == nil || !enabled.isFalse()
}

func (p *prosodyServer) hasHost(name string) bool {
	return slices.ContainsFunc(p.hosts, func(h statement) bool { return h.name == name })
}

func (p *prosodyServer) component(name string) *statement {
	for i, st := range p.statements {
		if st.kind == isComponent && st.name == name {
			return &p.statements[i]
		}
	}
	return nil
}

// computedHost returns a host whose name cannot be known without running the file.
func (p *prosodyServer) computedHost() *statement {
	for i, st := range p.statements {
		if st.kind == isComputedHost {
			return &p.statements[i]
		}
	}
	return nil
}

// componentServer returns where Prosody accepts components, as extdisco names it, and
// whether our file has to open the port.
func (p *prosodyServer) componentServer() (server string, open bool, err error) {
	host, port := "127.0.0.1", "5347"
	for _, name := range []string{"component_ports", "component_interfaces", "component_interface"} {
		st, err := p.option("", name)
		switch {
		case err != nil:
			return "", false, err
		case st == nil:
			continue
		case !st.isPlain:
			return "", false, fmt.Errorf("%s, line %d: %s is computed and cannot be read; name the address with --server HOST:PORT", st.file, st.line, name)
		}
		if name == "component_ports" {
			numbers := append(st.numbers(), st.strings()...)
			if open = len(numbers) == 0; !open {
				port = numbers[0]
			}
			continue
		}
		interfaces := st.strings()
		if len(interfaces) == 0 || slices.ContainsFunc(interfaces, func(i string) bool { return i == "*" || i == "0.0.0.0" || i == "127.0.0.1" }) {
			continue
		}
		if host = interfaces[0]; host == "::" {
			host = "::1"
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port, open, nil
}

// moduleFolder returns the folder that the module goes to.
func (s *setup) moduleFolder(p *prosodyServer) (string, error) {
	const system = "/usr/lib/prosody/modules" // where the Debian package puts it
	if s.options.ModuleDir != "" {
		return s.options.ModuleDir, nil
	}
	if s.tree.exists(system + "/mod_extdisco_bridge/mod_extdisco_bridge.lua") {
		return system, nil
	}
	const flag = "; name a folder that Prosody looks for modules in with --module-dir DIR (prosodyctl about shows them)"
	paths, err := p.option("", "plugin_paths")
	switch {
	case err != nil:
		return "", fmt.Errorf("%w%s", err, flag)
	case paths == nil:
		return "", errors.New("no plugin_paths in Prosody's configuration" + flag)
	case !paths.isPlain:
		return "", fmt.Errorf("%s, line %d: plugin_paths is computed and cannot be read%s", paths.file, paths.line, flag)
	}
	for _, folder := range paths.strings() {
		if path.IsAbs(folder) {
			return path.Clean(folder), nil
		}
	}
	return "", fmt.Errorf("%s, line %d: plugin_paths has no absolute path%s", paths.file, paths.line, flag)
}

// hints says what in the configuration stands in the way of the bridge.
func (p *prosodyServer) hints(domains []string) []string {
	var hints []string
	for _, st := range p.statements {
		if st.kind != isOption || st.host != "" && !slices.Contains(domains, st.host) {
			continue
		}
		where := fmt.Sprintf("%s, line %d", st.file, st.line)
		switch values := st.strings(); {
		case st.name == "modules_disabled" && slices.Contains(values, "external_services"):
			hints = append(hints, where+": external_services is in modules_disabled, but the bridge needs it; remove it there")
		case st.name == "modules_enabled" && slices.Contains(values, "turn_external"):
			hints = append(hints, where+": turn_external in modules_enabled makes a list of its own; remove it there")
		case st.name == "delegations":
			hints = append(hints, where+": if urn:xmpp:extdisco:1 or :2 is among these delegations, remove it: delegations come before the bridge")
		}
	}
	return hints
}

package setup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// jitsiModules are modules that only Jitsi Meet has on components beside its domain, by
// the first label of the component.
var jitsiModules = map[string]string{"focus": "client_proxy", "metadata": "room_metadata_component", "lobby": "muc", "speakerstats": "speakerstats_component"}

// jitsiDomains returns the virtual hosts that Jitsi Meet is set up for.
func (p *prosodyServer) jitsiDomains() []string {
	var domains []string
	for _, host := range p.hosts {
		signs := 0
		for label, module := range jitsiModules {
			if c := p.component(label + "." + host.name); c != nil && c.extra == module {
				signs++
			}
		}
		if signs >= 2 {
			domains = append(domains, host.name)
		}
	}
	return domains
}

// domains returns the virtual hosts whose users are served, and whether they are Jitsi
// Meet's.
func (s *setup) domains(p *prosodyServer) (domains []string, isJitsi bool, err error) {
	jitsi := p.jitsiDomains()
	if len(s.options.Domains) > 0 {
		for _, d := range s.options.Domains {
			d = strings.ToLower(d)
			if !p.hasHost(d) && p.computedHost() == nil {
				return nil, false, fmt.Errorf("--domain %s: Prosody has no such VirtualHost; %s", d, p.hostNames())
			}
			domains = append(domains, d)
		}
		return domains, slices.Contains(jitsi, domains[0]), nil
	}
	const flag = "; name the domain of your users with --domain DOMAIN"
	if c := p.computedHost(); c != nil {
		return nil, false, fmt.Errorf("%s, line %d: a host is computed or depends on a condition, so setup cannot tell which hosts there are%s", c.file, c.line, flag)
	}
	if len(jitsi) == 1 {
		return jitsi, true, nil
	}
	candidates := jitsi
	if len(jitsi) == 0 {
		candidates = p.topHosts()
	}
	switch len(candidates) {
	case 0:
		return nil, false, fmt.Errorf("there is no VirtualHost besides localhost in %s or what it includes; add one for your domain and run setup again", p.config)
	case 1:
		return candidates, false, nil
	}
	return nil, false, errors.New("there is more than one domain: " + strings.Join(candidates, ", ") +
		"; name the one to serve with --domain DOMAIN; repeat it for more than one")
}

// topHosts returns the virtual hosts that are not below another one, without localhost,
// which every package brings.
func (p *prosodyServer) topHosts() []string {
	var top []string
	for _, host := range p.hosts {
		isBelow := slices.ContainsFunc(p.hosts, func(other statement) bool { return strings.HasSuffix(host.name, "."+other.name) })
		if host.name != "localhost" && !isBelow {
			top = append(top, host.name)
		}
	}
	return top
}

func (p *prosodyServer) hostNames() string {
	if len(p.hosts) == 0 {
		return "it has none"
	}
	var names []string
	for _, host := range p.hosts {
		names = append(names, host.name)
	}
	return "it has " + strings.Join(names, ", ")
}

// served returns whose users are served: the domains, and the hosts of guests and
// recorders below them. The accounts of auth.DOMAIN are Jitsi's own programs.
func (s *setup) served(p *prosodyServer, domains []string) []string {
	allow := slices.Clone(domains)
	for _, host := range p.hosts {
		below := slices.ContainsFunc(domains, func(d string) bool {
			return strings.HasSuffix(host.name, "."+d) && host.name != "auth."+d
		})
		if below && !slices.Contains(allow, host.name) {
			allow = append(allow, host.name)
		}
	}
	return addMissing(allow, s.options.Allow)
}

// addMissing adds what is not in a list yet.
func addMissing(list, more []string) []string {
	for _, m := range more {
		if m = strings.ToLower(m); !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// componentAddress returns our address.
func (s *setup) componentAddress(p *prosodyServer, domains []string) (string, error) {
	address := strings.ToLower(s.options.Component)
	if address == "" {
		address = "turn." + domains[0]
	}
	if taken := p.component(address); taken != nil {
		return "", fmt.Errorf("%s, line %d: there is a Component %q already; delete it if it is an earlier attempt with extdisco, or choose another address with --component ADDRESS", taken.file, taken.line, address)
	}
	if p.hasHost(address) {
		return "", fmt.Errorf("%s is a VirtualHost; choose another address for extdisco with --component ADDRESS", address)
	}
	return address, nil
}

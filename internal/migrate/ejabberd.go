package migrate

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/reach"
	"extdisco/xep0215"
)

// ejabberdModule finds what ejabberd.yml says about STUN and TURN.
var ejabberdModule = regexp.MustCompile(`\b(?:mod_stun_disco|ejabberd_stun)\b`)

// ejabberdReader is the part of an ejabberd.yml that is about STUN and TURN.
type ejabberdReader struct {
	list      *List
	root      yamlNode
	macros    map[string]yamlNode
	listeners []ejabberdListener
}

// ejabberdListener is an ejabberd_stun listener.
type ejabberdListener struct {
	line      int
	port      string
	transport string
	turn, tls bool
	anonymous bool
	addresses []string // public ones that are written out
}

// readEjabberd adds the servers of an ejabberd.yml: what mod_stun_disco lists, and ejabberd's
// own listeners.
func readEjabberd(text string, list *List) error {
	root, err := readYAML(text)
	if err != nil {
		return err
	}
	e := &ejabberdReader{list: list, root: root, macros: map[string]yamlNode{}}
	for _, name := range []string{"define_macro", "define_keyword"} {
		root.get(name).entries(func(key string, value yamlNode) { e.macros[key] = value })
	}
	for _, l := range root.get("listen").items() {
		if e.value(l.get("module")).text() == "ejabberd_stun" {
			e.listeners = append(e.listeners, e.listener(l))
		}
	}
	found := false
	for _, modules := range e.modules() {
		if disco, host := modules.module, modules.host; disco.node != nil {
			e.disco(host, disco)
			found = true
		}
	}
	if !found && len(e.listeners) > 0 {
		e.list.note(e.listeners[0].line, "mod_stun_disco is not enabled, and ejabberd's TURN server then takes only passwords of accounts; enable it with a secret")
		e.own(e.host(), Credential{missing: "mod_stun_disco is not enabled"})
	}
	return nil
}

// value follows a macro or a keyword.
func (e *ejabberdReader) value(n yamlNode) yamlNode {
	name := n.text()
	if defined, ok := e.macros[name]; ok {
		return defined
	}
	if inside, ok := strings.CutPrefix(name, "@"); ok && strings.HasSuffix(inside, "@") {
		if defined, ok := e.macros[strings.TrimSuffix(inside, "@")]; ok {
			return defined
		}
	}
	return n
}

// host returns the first virtual host.
func (e *ejabberdReader) host() string {
	for _, h := range e.value(e.root.get("hosts")).items() {
		if host := e.value(h).text(); host != "" {
			return host
		}
	}
	return ""
}

// discoOf is mod_stun_disco of a virtual host.
type discoOf struct {
	host   string
	module yamlNode
}

// modules returns mod_stun_disco wherever it is configured.
func (e *ejabberdReader) modules() []discoOf {
	all := []discoOf{{e.host(), e.root.get("modules").get("mod_stun_disco")}}
	for _, name := range []string{"host_config", "append_host_config"} {
		e.root.get(name).entries(func(host string, value yamlNode) {
			all = append(all, discoOf{host, value.get("modules").get("mod_stun_disco")})
		})
	}
	return all
}

func (e *ejabberdReader) listener(n yamlNode) ejabberdListener {
	l := ejabberdListener{line: n.line(), port: e.value(n.get("port")).text(), transport: e.value(n.get("transport")).text()}
	l.turn, l.tls = e.value(n.get("use_turn")).isTrue(false), e.value(n.get("tls")).isTrue(false)
	l.anonymous = e.value(n.get("auth_type")).text() == "anonymous"
	if l.transport == "" {
		l.transport = xep0215.TransportUDP
	}
	for _, name := range []string{"turn_ipv4_address", "turn_ipv6_address", "ip"} {
		value := e.value(n.get(name)).text()
		if a, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil && (name != "ip" || len(l.addresses) == 0 && reach.OfAddr(a) == reach.Public) {
			l.addresses = append(l.addresses, a.String())
		}
	}
	return l
}

// disco adds what mod_stun_disco of a host offers.
func (e *ejabberdReader) disco(host string, n yamlNode) {
	c := e.credential(n)
	services := e.value(n.get("services")).items()
	for _, s := range services {
		e.service(host, s, c)
	}
	offersOwn := n.get("offer_local_services")
	if len(e.listeners) == 0 {
		return
	}
	if !e.value(offersOwn).isTrue(true) {
		if len(services) > 0 {
			return // the list is complete
		}
		e.list.note(offersOwn.line(), "ejabberd does not offer its own STUN and TURN server (offer_local_services: false); it is imported all the same")
	}
	e.own(host, c)
}

// credential returns that of everything that mod_stun_disco offers.
func (e *ejabberdReader) credential(n yamlNode) Credential {
	ttl := config.DefaultTTL
	if lifetime := n.get("credentials_lifetime"); lifetime.isSet() {
		d, err := parseDuration(e.value(lifetime).text(), time.Second)
		if err != nil {
			e.list.note(lifetime.line(), "credentials_lifetime %v; %s is used instead", err, config.FormatDuration(ttl))
		} else {
			ttl = d
		}
	}
	stated := n.get("secret")
	shared := e.value(stated)
	switch text := shared.text(); {
	case text == "":
		return Credential{missing: "mod_stun_disco has no secret, and ejabberd makes up another one at each start; set secret there and import again"}
	case strings.HasPrefix(text, "@") && strings.HasSuffix(text, "@") && len(text) > 2:
		return Credential{Kind: SharedSecret, TTL: ttl}.computed(text, shared.line())
	default:
		return sharedSecret(text, shared.line(), ttl)
	}
}

// service adds an element of services.
func (e *ejabberdReader) service(host string, n yamlNode, c Credential) {
	get := func(name string) string { return e.value(n.get(name)).text() }
	serviceType := strings.ToLower(get("type"))
	if serviceType == "" {
		serviceType = xep0215.TypeSTUN
	}
	address, port := get("host"), get("port")
	if address == "" {
		e.list.note(n.line(), "a service is left out: it has no host")
		return
	}
	if e.isOwn(serviceType, port) {
		c = c.ofEjabberd(host)
	}
	e.list.add(n.line(), "a service", serviceURI(serviceType, address, port, get("transport")), c)
}

// isOwn reports whether a service stands for ejabberd's own TURN server. Its form of
// usernames suits other servers too, so that a mistake does no harm.
func (e *ejabberdReader) isOwn(serviceType, port string) bool {
	tls := serviceType == xep0215.TypeTURNS
	if port == "" {
		port = map[bool]string{false: "3478", true: "5349"}[tls]
	}
	for _, l := range e.listeners {
		if l.turn && l.port == port && l.tls == tls {
			return true
		}
	}
	return false
}

// ofEjabberd returns the credential for ejabberd's own TURN server. It looks for the secret of
// the virtual host that the username names, whatever its auth_realm is.
func (c Credential) ofEjabberd(host string) Credential {
	if c.Kind == SharedSecret {
		c.UsernameForm, c.Realm = config.FormEjabberd, strings.ToLower(host)
	}
	return c
}

// own adds ejabberd's own listeners.
func (e *ejabberdReader) own(host string, c Credential) {
	for _, l := range e.listeners {
		addresses := l.addresses
		if e.list.host != "" {
			addresses = []string{e.list.host}
		}
		switch {
		case l.tls:
			e.list.note(l.line, "the listener with tls on port %.10q is left out, as ejabberd itself does not offer it; add it to urls if clients reach it", l.port)
			continue
		case len(addresses) == 0 && reach.Of(host) != reach.Public:
			e.list.note(l.line, "a listener is left out: the name that clients use for it is not in ejabberd.yml; give it with --host")
			continue
		case len(addresses) == 0:
			e.list.note(l.line, "the name that clients use for this listener is not in ejabberd.yml; %s is assumed, give another with --host", host)
			addresses = []string{host}
		}
		if l.turn && l.anonymous {
			e.list.note(l.line, "this TURN server relays for anybody (auth_type: anonymous); remove auth_type")
		}
		if l.turn && host == "" {
			e.list.note(l.line, "hosts is not set, and usernames for ejabberd's TURN server need the virtual host; write it as realm")
		}
		for _, address := range addresses {
			if l.transport == xep0215.TransportUDP {
				e.list.add(l.line, "a listener", serviceURI(xep0215.TypeSTUN, address, l.port, ""), Credential{})
			}
			if l.turn {
				e.list.add(l.line, "a listener", serviceURI(xep0215.TypeTURN, address, l.port, l.transport), c.ofEjabberd(host))
			}
		}
	}
}

package migrate

import (
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"extdisco/internal/config"
	"extdisco/internal/lua"
	"extdisco/xep0215"
)

// prosodyOption finds the options of mod_external_services, mod_turn_external, both modules
// called mod_turncredentials, and mod_extdisco.
var prosodyOption = regexp.MustCompile(`\b(external_services|external_service_[a-z]+|turn_external_[a-z_]+|turncredentials(?:_[a-z]+)?)["'\]]*\s*=[^=]`)

// luaServer finds an RTCIceServer in Lua, such as ManualIceServers = { { urls = "…" } }.
var luaServer = regexp.MustCompile(`\b(?:ur[li]s?)["'\]]*\s*=\s*(?:["'{]|\[\[)`)

// prosodyKinds are the kinds of the options that are read.
var prosodyKinds = map[string]lua.Kind{
	"external_services":       luaTable,
	"external_service_host":   lua.String,
	"external_service_port":   lua.Number,
	"external_service_secret": lua.String,
	"external_service_ttl":    lua.Number,
	"turn_external_host":      lua.String,
	"turn_external_port":      lua.Number,
	"turn_external_secret":    lua.String,
	"turn_external_ttl":       lua.Number,
	"turn_external_tcp":       luaBool,
	"turn_external_tls_port":  lua.Number,
	"turn_external_user":      lua.String,
	"turncredentials":         luaTable,
	"turncredentials_host":    lua.String,
	"turncredentials_port":    lua.Number,
	"turncredentials_secret":  lua.String,
	"turncredentials_ttl":     lua.Number,
}

var kindWords = map[lua.Kind]string{lua.String: "a string", lua.Number: "a whole number", luaBool: "true or false", luaTable: "a table", luaNil: "nil", luaComputed: "computed"}

// prosodyReader is the part of a Prosody configuration, or of another text in Lua, that is
// about services.
type prosodyReader struct {
	list    *List
	options map[string]luaValue
	found   bool
}

// readProsody adds the services of a text in Lua. It reports whether the text has any of the
// options, or an RTCIceServer.
func readProsody(text string, list *List) (bool, error) {
	p := &prosodyReader{list: list, options: map[string]luaValue{}}
	if err := p.read(text); err != nil {
		return true, err
	}
	p.services("external_services", "external_service_")
	p.services("turncredentials", "turncredentials_")
	p.turnExternal()
	p.turnCredentials()
	return p.found, nil
}

// read finds the options in a text. What is around them is passed over.
func (p *prosodyReader) read(text string) error {
	r, err := newLuaReader(text)
	if err != nil {
		return err
	}
	for r.token.Kind != lua.End {
		name := r.token
		if name.Is("{") {
			v, err := r.table(0)
			if err != nil {
				return err
			}
			if err := p.walk(v); err != nil {
				return err
			}
			continue
		}
		if err := r.next(); err != nil {
			return err
		}
		if _, isOption := prosodyKinds[name.Text]; name.Kind != lua.Name || !isOption || !r.token.Is("=") {
			continue
		}
		if err := r.next(); err != nil {
			return err
		}
		v, err := r.value(0)
		if err != nil {
			return err
		}
		if err := p.option(name.Text, v); err != nil {
			return err
		}
	}
	return nil
}

// walk finds options and servers in a table of something else.
func (p *prosodyReader) walk(v luaValue) error {
	members := map[string]raw{}
	for _, f := range v.fields {
		if f.name != "" {
			members[strings.ToLower(f.name)] = f.value.raw(0)
		}
	}
	if len(members) > 0 && p.list.entry(v.line, members) {
		p.found = true
		return nil
	}
	for _, f := range v.fields {
		_, isOption := prosodyKinds[f.name]
		switch {
		case isOption:
			if err := p.option(f.name, f.value); err != nil {
				return err
			}
		case f.value.kind == luaTable:
			if err := p.walk(f.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// raw returns a value as that of an RTCIceServer.
func (v luaValue) raw(depth int) raw {
	r := raw{kind: rawOther, text: v.text, line: v.line}
	switch v.kind {
	case lua.String:
		r.kind = rawText
	case luaComputed:
		r.kind = rawCode
	case luaNil:
		r.kind = rawNone
	case luaTable:
		if r.kind = rawList; depth > 0 {
			return r
		}
		for _, f := range v.fields {
			if f.name == "" {
				r.items = append(r.items, f.value.raw(depth+1))
			}
		}
	}
	return r
}

// option keeps the value of an option.
func (p *prosodyReader) option(name string, v luaValue) error {
	p.found = true
	v, ok := p.expect(name, v, prosodyKinds[name])
	if !ok {
		return nil
	}
	first, twice := p.options[name]
	switch {
	case twice && v.kind == luaTable:
		v.fields = append(first.fields, v.fields...)
	case twice && (first.text != v.text || first.yes != v.yes):
		return lua.Errorf(v.line, "%s is already set in line %d, to another value; import the part of each host on its own", name, first.line)
	}
	p.options[name] = v
	return nil
}

// expect checks the kind of a value. What is computed passes where that is a secret. A port or
// TTL in quotes is a number to this reader.
func (p *prosodyReader) expect(name string, v luaValue, kind lua.Kind) (luaValue, bool) {
	isSecret := strings.HasSuffix(name, "secret") || name == "password" || name == "username"
	switch {
	case v.kind == luaNil:
		return v, false
	case v.kind == lua.String && !utf8.ValidString(v.text):
		p.list.note(v.line, "%s contains bytes that are not text, and is ignored", name)
		return v, false
	case v.kind == luaComputed && isSecret:
		return v, true
	case v.kind == luaComputed && kind != luaNil:
		p.list.note(v.line, "%s is computed, and ignored; write the value out", name)
		return v, false
	case v.kind == lua.String && kind == lua.Number:
		if n, err := strconv.ParseUint(strings.TrimSpace(v.text), 10, 31); err == nil {
			v.kind, v.number, v.text = lua.Number, int64(n), strconv.FormatUint(n, 10)
			return v, true
		}
	}
	if v.kind != kind && kind != luaNil {
		p.list.note(v.line, "%s is %s instead of %s, and is ignored", name, kindWords[v.kind], kindWords[kind])
		return v, false
	}
	return v, true
}

// itemKinds are the keys of an entry of external_services. Those with luaNil may be of any
// kind.
var itemKinds = map[string]lua.Kind{
	"type": lua.String, "host": lua.String, "port": lua.Number, "transport": lua.String, "username": lua.String, "password": lua.String,
	"ttl": lua.Number, "algorithm": lua.String, "secret": luaNil, "restricted": luaNil, "expires": luaNil, "name": luaNil,
}

// services adds the entries of external_services or turncredentials. The prefix is that of
// the options that are theirs.
func (p *prosodyReader) services(name, prefix string) {
	for _, item := range p.options[name].fields {
		p.service(name, prefix, item)
	}
}

// service adds an entry of external_services or turncredentials.
func (p *prosodyReader) service(name, prefix string, item luaField) {
	line := item.value.line
	switch item.value.kind {
	case luaTable:
	case luaComputed:
		p.list.note(line, "an entry of %s is left out: it is computed; write it out", name)
		return
	default:
		p.list.note(line, "an entry of %s is left out: it is not a table such as { type = \"turn\", host = \"turn.example.org\", port = 3478 }", name)
		return
	}
	values := p.values(name, item.value.fields)
	if host, hasHost := values["host"]; item.name != "" && (!hasHost || host.text == "") { // mod_extdisco names entries by host
		values["host"] = luaValue{kind: lua.String, text: item.name, line: line}
	}
	serviceType := strings.ToLower(values["type"].text)
	if serviceType == "" {
		p.list.note(line, "an entry of %s is left out: it has no type", name)
		return
	}
	host, port := values["host"].text, values["port"].text
	if host == "" {
		host = p.options[prefix+"host"].text
	}
	if host == "" {
		host = p.list.host
	}
	if port == "" {
		port = p.options[prefix+"port"].text
	}
	if host == "" {
		p.list.note(line, "an entry of type %.40q is left out: it has no host, and Prosody uses the name of the VirtualHost; give it with --host", serviceType)
		return
	}
	p.add(line, serviceType, host, port, values["transport"].text, p.credential(prefix, values, line))
}

// values returns the values of an entry by their keys.
func (p *prosodyReader) values(name string, fields []luaField) map[string]luaValue {
	values := map[string]luaValue{}
	for _, f := range fields {
		kind, known := itemKinds[f.name]
		switch {
		case f.value.kind == luaNil: // as if it were not there
		case f.name == "":
			p.list.note(f.value.line, "a value without a name in an entry of %s is ignored", name)
		case !known:
			p.list.note(f.value.line, "%.40q in an entry of %s is not known, and is ignored", f.name, name)
		default:
			if f.name == "port" && f.value.kind == lua.String && name == "external_services" {
				p.list.note(f.value.line, "the port is in quotes, which Prosody ignores; it is used here")
			}
			if v, ok := p.expect(f.name, f.value, kind); ok {
				values[f.name] = v
			}
		}
	}
	return values
}

// add adds a service. Port and transport may be missing.
func (p *prosodyReader) add(line int, serviceType, host, port, transport string, c Credential) {
	switch serviceType {
	case xep0215.TypeSTUN, xep0215.TypeSTUNS, xep0215.TypeTURN, xep0215.TypeTURNS:
	default:
		p.list.note(line, "an entry of type %.40q is left out: extdisco offers stun, stuns, turn and turns only", serviceType)
		return
	}
	p.list.add(line, "an entry of type "+serviceType, serviceURI(serviceType, host, port, transport), c)
}

// serviceURI returns an ICE URI, which may be wrong if its parts are.
func serviceURI(serviceType, host, port, transport string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	uri := serviceType + ":" + host
	if port != "" {
		uri += ":" + port
	}
	// That a STUN entry names the transport that it has anyway is no change.
	if transport = strings.ToLower(strings.TrimSpace(transport)); transport != "" && (serviceType != xep0215.TypeSTUN || transport != xep0215.TransportUDP) &&
		(serviceType != xep0215.TypeSTUNS || transport != xep0215.TransportTCP) {
		uri += "?transport=" + transport
	}
	return uri
}

// credential returns the credential of an entry.
func (p *prosodyReader) credential(prefix string, values map[string]luaValue, line int) Credential {
	shared, common := values["secret"], p.options[prefix+"secret"]
	switch {
	case shared.kind == luaBool && shared.yes && common.text == "":
		return Credential{missing: "it has secret = true, and " + prefix + "secret is not set"}
	case shared.kind == luaBool && shared.yes, shared.kind == lua.End && prefix == "turncredentials_":
		shared = common
	case shared.kind == luaBool:
		shared = luaValue{}
	case shared.kind != lua.String && shared.kind != luaComputed && shared.kind != lua.End:
		p.list.note(shared.line, "secret is %s instead of a string or true, and is ignored", kindWords[shared.kind])
		shared = luaValue{}
	}
	if shared.text == "" {
		return accountInLua(values["username"], values["password"], line)
	}
	if a := values["algorithm"].text; a != "" && a != "turn" {
		return Credential{missing: "its algorithm is not \"turn\""}
	}
	if values["username"].text != "" && xep0215.NeedsCredentials(strings.ToLower(values["type"].text)) {
		p.list.note(values["username"].line, "the username beside the secret is ignored: extdisco uses a pseudonym of the user")
	}
	ttl := values["ttl"]
	if ttl.text == "" {
		ttl = p.options[prefix+"ttl"]
	}
	return shared.sharedSecret(p.ttl(ttl))
}

func (v luaValue) sharedSecret(ttl time.Duration) Credential {
	c := sharedSecret(v.text, v.line, ttl)
	if v.kind == luaComputed {
		return c.computed(v.text, v.line)
	}
	return c
}

func accountInLua(username, password luaValue, line int) Credential {
	return entryCredential(line, map[string]raw{"username": username.account(), "password": password.account()})
}

func (v luaValue) account() raw {
	if v.kind == lua.End {
		return raw{}
	}
	return v.raw(0)
}

// ttl returns a number of seconds, and the default for none.
func (p *prosodyReader) ttl(v luaValue) time.Duration {
	switch {
	case v.text == "":
		return config.DefaultTTL
	case v.number < 1 || v.number > math.MaxInt32:
		p.list.note(v.line, "a TTL of %d seconds is not possible; %s is used instead", v.number, config.FormatDuration(config.DefaultTTL))
		return config.DefaultTTL
	}
	return time.Duration(v.number) * time.Second
}

// turnExternal adds what mod_turn_external offers.
func (p *prosodyReader) turnExternal() {
	host, c, ok := p.oneServer("turn_external")
	if !ok {
		return
	}
	if user := p.options["turn_external_user"]; user.text != "" {
		p.list.note(user.line, "turn_external_user is ignored: extdisco uses a pseudonym of the user")
	}
	port := p.options["turn_external_port"].text
	p.add(host.line, xep0215.TypeSTUN, host.text, port, xep0215.TransportUDP, c)
	p.add(host.line, xep0215.TypeTURN, host.text, port, xep0215.TransportUDP, c)
	if p.options["turn_external_tcp"].yes {
		p.add(host.line, xep0215.TypeTURN, host.text, port, xep0215.TransportTCP, c)
	}
	if tls := p.options["turn_external_tls_port"]; tls.text != "" {
		p.add(host.line, xep0215.TypeTURNS, host.text, tls.text, xep0215.TransportTCP, c)
	}
}

// turnCredentials adds what mod_turncredentials of prosody-modules offers: the list of that
// name belongs to Jitsi Meet's module.
func (p *prosodyReader) turnCredentials() {
	if len(p.options["turncredentials"].fields) > 0 {
		return
	}
	host, c, ok := p.oneServer("turncredentials")
	if !ok {
		return
	}
	port := p.options["turncredentials_port"].text
	p.add(host.line, xep0215.TypeSTUN, host.text, port, "", c)
	p.add(host.line, xep0215.TypeTURN, host.text, port, "", c)
}

// oneServer returns the host and the credential of a module that knows one server.
func (p *prosodyReader) oneServer(module string) (host luaValue, c Credential, ok bool) {
	shared, host := p.options[module+"_secret"], p.options[module+"_host"]
	if host.text == "" && p.list.host != "" && shared.text != "" {
		host = luaValue{kind: lua.String, text: p.list.host, line: shared.line}
	}
	switch {
	case shared.text == "" && host.text == "":
		return host, c, false
	case host.text == "":
		p.list.note(shared.line, "%s is left out: %s_host is not set, and Prosody uses the name of the VirtualHost; give it with --host", module, module)
		return host, c, false
	case shared.text == "":
		p.list.note(host.line, "%s is left out: %s_secret is not set", module, module)
		return host, c, false
	}
	return host, shared.sharedSecret(p.ttl(p.options[module+"_ttl"])), true
}

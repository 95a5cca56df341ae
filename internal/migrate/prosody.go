package migrate

import (
	"math"
	"regexp"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/xep0215"
)

// prosodyOption finds the options of mod_external_services and
// mod_turn_external.
var prosodyOption = regexp.MustCompile(`\b(external_services|external_service_[a-z]+|turn_external_[a-z_]+)\s*=`)

// prosodyKinds are the kinds of the options that are read.
var prosodyKinds = map[string]luaKind{
	"external_service_host":   luaText,
	"external_service_port":   luaNumber,
	"external_service_secret": luaText,
	"external_service_ttl":    luaNumber,
	"turn_external_host":      luaText,
	"turn_external_port":      luaNumber,
	"turn_external_secret":    luaText,
	"turn_external_ttl":       luaNumber,
	"turn_external_tcp":       luaBool,
	"turn_external_tls_port":  luaNumber,
	"turn_external_user":      luaText,
}

var kindWords = map[luaKind]string{luaText: "a text in quotes", luaNumber: "a whole number", luaBool: "true or false", luaTable: "a table", luaNil: "nil"}

// prosodyReader is the part of a Prosody configuration that is about services.
type prosodyReader struct {
	list     *List
	options  map[string]luaValue
	services []luaField
	found    bool
}

// readProsody adds the services of a Prosody configuration. It reports whether
// the text has any of the options.
func readProsody(text string, list *List) (bool, error) {
	p := &prosodyReader{list: list, options: map[string]luaValue{}}
	if err := p.read(text); err != nil {
		return true, err
	}
	for _, item := range p.services {
		if err := p.service(item); err != nil {
			return true, err
		}
	}
	p.turnExternal()
	return p.found, nil
}

// read finds the options in a text. What is around them is passed over.
func (p *prosodyReader) read(text string) error {
	r, err := newLuaReader(text)
	if err != nil {
		return err
	}
	for r.token.kind != luaEnd {
		name := r.token
		if err := r.next(); err != nil {
			return err
		}
		_, isOption := prosodyKinds[name.text]
		if name.kind != luaName || !r.token.is("=") || !isOption && name.text != "external_services" {
			continue
		}
		if err := r.next(); err != nil {
			return err
		}
		if err := p.option(r, name.text); err != nil {
			return err
		}
	}
	return nil
}

// option reads the value of an option.
func (p *prosodyReader) option(r *luaReader, name string) error {
	v, err := r.value(name, 0)
	if err != nil {
		return err
	}
	if t := r.token; t.text == "or" || t.text == "and" || t.kind == luaSymbol && !t.is(";") && !t.is("::") && !t.is(",") && !t.is("}") {
		return luaError(v.line, "%s %w", name, errNoData)
	}
	p.found = true
	if name == "external_services" {
		if v.kind != luaTable {
			return luaError(v.line, "external_services is %s; it has to be a table", kindWords[v.kind])
		}
		p.services = append(p.services, v.fields...)
		return nil
	}
	if v.kind != prosodyKinds[name] {
		return luaError(v.line, "%s is %s; it has to be %s", name, kindWords[v.kind], kindWords[prosodyKinds[name]])
	}
	if first, twice := p.options[name]; twice && (first.text != v.text || first.yes != v.yes) {
		return luaError(v.line, "%s is given in line %d already, with another value; import the part of each host on its own", name, first.line)
	}
	p.options[name] = v
	return nil
}

// itemKinds are the keys of an entry of external_services. Those
// with luaNil may be of any kind.
var itemKinds = map[string]luaKind{
	"type": luaText, "host": luaText, "port": luaNumber, "transport": luaText, "username": luaText, "password": luaText,
	"ttl": luaNumber, "algorithm": luaText, "secret": luaNil, "restricted": luaNil, "expires": luaNil, "name": luaNil,
}

// service adds an entry of external_services.
func (p *prosodyReader) service(item luaField) error {
	line := item.value.line
	if item.value.kind != luaTable || item.name != "" {
		return luaError(line, "an entry of external_services is no table; write { type = \"turn\", host = \"…\", port = 3478 }")
	}
	values, err := p.values(item.value.fields)
	if err != nil {
		return err
	}
	serviceType := strings.ToLower(values["type"].text)
	if serviceType == "" {
		p.list.note(line, "an entry is left out: it has no type")
		return nil
	}
	host, port := values["host"], values["port"]
	if host.text == "" {
		host = p.options["external_service_host"]
	}
	if port.text == "" {
		port = p.options["external_service_port"]
	}
	if host.text == "" {
		p.list.note(line, "an entry of type %.40q is left out: it has no host, and there is no external_service_host; Prosody takes the name of the VirtualHost, write it out", serviceType)
		return nil
	}
	c, err := p.credential(values, line)
	if err != nil {
		return err
	}
	p.add(line, serviceType, host.text, port.text, values["transport"].text, c)
	return nil
}

// values returns the values of an entry by their keys.
func (p *prosodyReader) values(fields []luaField) (map[string]luaValue, error) {
	values := map[string]luaValue{}
	for _, f := range fields {
		kind, known := itemKinds[f.name]
		if f.name == "port" && f.value.kind == luaText {
			kind = luaText
			p.list.note(f.value.line, "the port is in quotes, and Prosody does not read it then; it is taken as it stands")
		}
		switch {
		case f.value.kind == luaNil: // as if it were not there
		case f.name == "":
			p.list.note(f.value.line, "a value without a name in an entry of external_services does not count")
		case !known:
			p.list.note(f.value.line, "%.40q in an entry of external_services is not known, and does not count", f.name)
		case f.value.kind != kind && kind != luaNil:
			return nil, luaError(f.value.line, "%s is %s; it has to be %s", f.name, kindWords[f.value.kind], kindWords[kind])
		default:
			values[f.name] = f.value
		}
	}
	return values, nil
}

// add adds a service. Port and transport may be missing.
func (p *prosodyReader) add(line int, serviceType, host, port, transport string, c Credential) {
	switch serviceType {
	case xep0215.TypeSTUN, xep0215.TypeSTUNS, xep0215.TypeTURN, xep0215.TypeTURNS:
	default:
		p.list.note(line, "an entry of type %.40q is left out: extdisco offers stun, stuns, turn and turns only", serviceType)
		return
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	uri := serviceType + ":" + host
	if port != "" {
		uri += ":" + port
	}
	// That a STUN entry names the transport that it has anyway is no change.
	if transport = strings.ToLower(transport); transport != "" && (serviceType != xep0215.TypeSTUN || transport != xep0215.TransportUDP) &&
		(serviceType != xep0215.TypeSTUNS || transport != xep0215.TransportTCP) {
		uri += "?transport=" + transport
	}
	p.list.add(line, "an entry", uri, c)
}

// credential returns the credential of an entry.
func (p *prosodyReader) credential(values map[string]luaValue, line int) (Credential, error) {
	shared, common := values["secret"], p.options["external_service_secret"]
	switch shared.kind {
	case luaText:
	case luaBool:
		if shared.yes && common.text == "" {
			return Credential{missing: "it has secret = true, and there is no external_service_secret with it"}, nil
		}
		if shared = common; !values["secret"].yes {
			shared = luaValue{}
		}
	case luaEnd: // there is none
	default:
		return Credential{}, luaError(shared.line, "secret is %s; it has to be a text in quotes or true", kindWords[shared.kind])
	}
	if shared.text == "" {
		username, password := values["username"].text, values["password"].text
		if username == "" && password == "" {
			return Credential{}, nil
		}
		return fixedAccount(username, password, line), nil
	}
	needsIt := xep0215.NeedsCredentials(strings.ToLower(values["type"].text))
	if a := values["algorithm"].text; a != "" && a != "turn" {
		return Credential{missing: "its algorithm is not \"turn\""}, nil
	}
	if values["username"].text != "" && needsIt {
		p.list.note(values["username"].line, "the username beside the secret does not count: extdisco puts a pseudonym of the user there")
	}
	ttl := values["ttl"]
	if ttl.text == "" {
		ttl = p.options["external_service_ttl"]
	}
	return sharedSecret(shared.text, shared.line, p.ttl(ttl)), nil
}

// ttl returns a number of seconds, and the default for none.
func (p *prosodyReader) ttl(v luaValue) time.Duration {
	switch {
	case v.text == "":
		return config.DefaultTTL
	case v.number < 1 || v.number > math.MaxInt32:
		p.list.note(v.line, "the TTL of %d seconds is taken for %s", v.number, config.FormatDuration(config.DefaultTTL))
		return config.DefaultTTL
	}
	return time.Duration(v.number) * time.Second
}

// turnExternal adds what mod_turn_external offers.
func (p *prosodyReader) turnExternal() {
	shared, host := p.options["turn_external_secret"], p.options["turn_external_host"]
	switch {
	case shared.text == "" && host.text == "":
		return
	case host.text == "":
		p.list.note(shared.line, "turn_external is left out: there is no turn_external_host; Prosody takes the name of the VirtualHost, write it out")
		return
	case shared.text == "":
		p.list.note(host.line, "turn_external is left out: there is no turn_external_secret with it")
		return
	}
	c := sharedSecret(shared.text, shared.line, p.ttl(p.options["turn_external_ttl"]))
	if user := p.options["turn_external_user"]; user.text != "" {
		p.list.note(user.line, "turn_external_user does not count: extdisco puts a pseudonym of the user there")
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

package migrate

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"extdisco/internal/config"
	"extdisco/internal/secret"
)

// rawKind is the kind of a value in JavaScript, JSON or Lua.
type rawKind int

const (
	rawNone rawKind = iota
	rawText
	rawList
	rawCode  // only running it would tell; the text is the code
	rawOther // a number, an object, null, …
)

// raw is a value in JavaScript, JSON or Lua.
type raw struct {
	kind  rawKind
	text  string
	items []raw
	line  int
}

var iceStart = regexp.MustCompile(`(?i)^\s*(?:stun|turn)s?:`)

// namesServer reports whether a value is, or holds, an ICE URI.
func (r raw) namesServer() bool {
	return r.kind == rawText && iceStart.MatchString(r.text) || r.kind == rawList && slices.ContainsFunc(r.items, raw.namesServer)
}

// entry adds the services of an RTCIceServer (WebRTC §4.2.4) with these members, by their
// names in lower case, and reports whether they are one.
func (l *List) entry(line int, members map[string]raw) bool {
	urls, where := entryURLs(members)
	c := entryCredential(line, members)
	if urls.kind == rawNone {
		if where == "" {
			return false
		}
		l.note(line, "an entry with username and %s is left out: it has no urls", where)
		return true
	}
	if urls.kind == rawCode && where != "urls" && where != "uris" && c.Kind == NoCredential {
		return false // the address of a page, for all we know
	}
	if where != "urls" && where != "uris" && where != "url" && where != "uri" {
		l.note(line, "the address of an entry is called %.40q instead of urls; please check that it is meant for clients", where)
	}
	items := []raw{urls}
	if urls.kind == rawList {
		items = urls.items
	}
	added := false
	for _, item := range items {
		switch item.kind {
		case rawText:
			l.add(item.line, "a URI", item.text, c)
		case rawCode:
			l.note(item.line, "a URI is left out: it is computed; write it out")
		default:
			continue
		}
		added = true
	}
	if !added {
		l.note(line, "an entry is left out: its %s is neither a string nor a list of strings", where)
	}
	return true
}

// entryURLs returns the URIs of an RTCIceServer and their name. Without URIs, the name is that
// of the credential, if there is a username with it. The old url, which may be any address,
// counts only with an ICE URI or a credential.
func entryURLs(members map[string]raw) (urls raw, name string) {
	for _, name := range []string{"urls", "uris"} {
		if v, ok := members[name]; ok {
			if v.kind == rawOther {
				v.kind = rawList // with nothing that can be used
			}
			return v, name
		}
	}
	_, hasUsername := members["username"]
	secretName := ""
	for _, name := range []string{"credential", "password"} {
		if _, ok := members[name]; ok && hasUsername && secretName == "" {
			secretName = name
		}
	}
	for _, name := range []string{"url", "uri"} {
		if v := members[name]; v.namesServer() || secretName != "" && v.kind != rawNone && v.kind != rawOther {
			return v, name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name].namesServer() && name != "username" && name != "password" && name != "credential" {
			return members[name], name
		}
	}
	if secretName == "password" && !hasAny(members, "host", "hostname", "server", "domain", "realm") {
		return raw{}, "" // a login to anything
	}
	return raw{}, secretName
}

func hasAny(members map[string]raw, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return members[name].kind != rawNone })
}

// entryCredential returns the credential of an RTCIceServer.
func entryCredential(line int, members map[string]raw) Credential {
	username, password := members["username"], members["credential"]
	if password.kind == rawNone {
		password = members["password"]
	}
	if kind := members["credentialtype"].text; strings.EqualFold(kind, "hmac-sha1") && password.kind != rawNone {
		// Galene marks a shared secret so.
		c := sharedSecret(password.text, line, config.DefaultTTL)
		if password.kind == rawCode {
			c = c.computed(password.text, password.line)
		}
		return c
	}
	switch {
	case username.kind == rawNone && password.kind == rawNone, username.kind == rawText && username.text == "" && password.kind == rawText && password.text == "":
		return Credential{}
	case password.kind == rawOther, password.kind == rawList:
		return Credential{missing: "its credential is not a string"}
	case username.kind == rawOther, username.kind == rawList:
		return Credential{missing: "its username is not a string"}
	}
	c := Credential{Kind: FixedAccount, Line: line, UsernameComputed: username.kind == rawCode, usernameLine: username.line}
	if c.UsernameComputed {
		c.expression = secret.New(username.text)
	} else {
		c.Username = username.text
	}
	if password.kind == rawCode {
		return c.computed(password.text+c.expression.Reveal(), password.line)
	}
	return c.with(password.text)
}

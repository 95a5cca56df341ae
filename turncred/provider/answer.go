package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// answer is a provider's answer, reduced to what all of them have in common.
type answer struct {
	entries  []entry
	username string // beside the entries, for those that have none of their own
	password string
	life     life
	notes    notes
	says     string // what it gives as the reason of an error
}

// entry is one ICE server of an answer.
type entry struct {
	place    string // such as "server 2"
	urls     []located
	username string
	password string
	life     life
}

// located is a URL and its place, such as "server 2, url 1".
type located struct{ place, url string }

// The names that providers use for the same things, in lower case.
var (
	serverNames   = []string{"iceservers", "ice_servers", "iceserverlist"}
	envelopeNames = []string{"v", "data", "result"}
	urlNames      = []string{"urls", "uris", "url"}
	passwordNames = []string{"credential", "password"}
)

// parseAnswer reads an answer of any of the shapes in use: a list of ICE servers,
// an object with such a list under one of several names, a single ICE server, or
// the form of the TURN REST API draft with uris. blank is a life without
// statements.
func parseAnswer(document any, at Pointers, blank life) (*answer, error) {
	if err := checkStatus(document); err != nil {
		return nil, err
	}
	a := &answer{life: blank, says: reasonOf(document, 0)}
	var list any
	if at.Servers == "" {
		list = a.descend(document)
	} else {
		var err error
		if list, err = pointer(document, at.Servers); err != nil {
			return nil, err
		}
		a.readAround(document)
	}
	switch list.(type) {
	case []any, map[string]any, string:
		a.readServers(list)
	default:
		return nil, errors.New("the answer names no servers where they were expected")
	}
	// Last, since what is pointed at counts more than what was found.
	return a, a.readPointers(document, at)
}

// errNotJSON is an answer that cannot be read at all.
var errNotJSON = errors.New("the answer is not JSON")

// decode reads JSON. Its errors are short and quote no more than a character.
func decode(got received) (document any, err error) {
	if err = json.Unmarshal(got.body, &document); err == nil {
		return document, nil
	}
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return nil, errors.New("the answer holds a number that is out of range")
	}
	return nil, fmt.Errorf("%w: %w", errNotJSON, err)
}

// saysNoError is a refusal with the status of success.
type saysNoError struct{ text string }

// Error implements error.
func (e saysNoError) Error() string { return e.text }

// checkStatus recognises Xirsys' way to say no with HTTP status 200.
func checkStatus(document any) error {
	object, _ := document.(map[string]any)
	if status, ok := lookup(object, "s").(string); ok && status != "ok" {
		reason, _ := lookup(object, "v").(string)
		return saysNoError{fmt.Sprintf("the answer says %.40q: %.200q", status, reason)}
	}
	return nil
}

// descend goes into the objects around the servers and notes what stands beside
// them.
func (a *answer) descend(value any) any {
	const deepest = 8
	for range deepest {
		object, ok := value.(map[string]any)
		if !ok {
			return value
		}
		a.readAround(object)
		inner := inside(object)
		if inner == nil {
			return value
		}
		value = inner
	}
	return value
}

// inside returns the object or list that holds the servers, or nil when the object
// is a server itself.
func inside(object map[string]any) any {
	names := serverNames
	if !slices.ContainsFunc(urlNames, func(name string) bool { return lookup(object, name) != nil }) {
		names = append(slices.Clone(serverNames), envelopeNames...)
	}
	for _, name := range names {
		switch inner := lookup(object, name).(type) {
		case []any, map[string]any:
			return inner
		}
	}
	return nil
}

// readAround notes what an object says of the servers in it.
func (a *answer) readAround(value any) {
	object, _ := value.(map[string]any)
	a.life.read(object)
	if username, password := credentials(object); username != "" && password != "" {
		a.username, a.password = username, password
	}
}

// credentials returns the username and password that stand in an object.
func credentials(object map[string]any) (username, password string) {
	username, _ = lookup(object, "username").(string)
	for _, name := range passwordNames {
		if text, ok := lookup(object, name).(string); ok && password == "" {
			password = text
		}
	}
	return username, password
}

func (a *answer) readPointers(document any, at Pointers) error {
	if at.TTL != "" || at.Expires != "" {
		a.life = a.life.blank()
		for i := range a.entries {
			a.entries[i].life = a.life.blank()
		}
	}
	take := func(text *string) func(any) bool {
		return func(v any) (ok bool) { *text, ok = v.(string); return ok }
	}
	for _, p := range []struct {
		at   string
		take func(any) bool
		want string
	}{
		{at.Username, take(&a.username), "text"},
		{at.Password, take(&a.password), "text"},
		{at.TTL, a.takeEnd("ttl"), "number of seconds or other lifetime"},
		{at.Expires, a.takeEnd("expires"), "instant (RFC 3339 or Unix time)"},
	} {
		if p.at == "" {
			continue
		}
		value, err := pointer(document, p.at)
		if err != nil {
			return err
		}
		if !p.take(value) {
			return fmt.Errorf("the answer has no %s at %s", p.want, p.at)
		}
	}
	return nil
}

func (a *answer) takeEnd(name string) func(any) bool {
	return func(value any) bool {
		before := a.life
		a.life.take(name, value, 0)
		return len(a.life.unread) == 0 && (a.life.until != before.until || a.life.ttl != before.ttl)
	}
}

// readServers reads what should be one server or several. What is neither is left
// out, and a note says so.
func (a *answer) readServers(value any) {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, element := range list {
		if inner, nested := element.([]any); nested {
			a.readServers(inner)
			continue
		}
		place := fmt.Sprintf("server %d", len(a.entries)+1)
		e := entry{place: place, life: a.life.blank()}
		switch v := element.(type) {
		case string: // of a bare list of URIs
			e.urls = []located{{place, v}}
		case map[string]any:
			a.readServer(&e, v, isList)
		default:
			a.notes.add("%s is left out: it is %s", place, typeName(element))
		}
		a.entries = append(a.entries, e)
	}
}

func (a *answer) readServer(e *entry, object map[string]any, inList bool) {
	for _, name := range urlNames {
		urls := lookup(object, name)
		if urls == nil {
			continue
		}
		a.readURLs(e, urls)
		if len(e.urls) > 0 {
			break
		}
	}
	if kind, ok := lookup(object, "credentialtype").(string); ok && !strings.EqualFold(kind, "password") && len(e.urls) > 0 {
		e.urls = nil
		a.notes.add("%s is left out: its credential is not a password but of another type, such as OAuth, which XMPP clients do not support", e.place)
		return
	}
	if len(e.urls) == 0 {
		// Perhaps credentials without servers: those stand elsewhere.
		a.readAround(object)
		if username, password := credentials(object); inList && (username == "" || password == "") {
			a.notes.add("%s is left out: it names no URL", e.place)
		}
		return
	}
	e.life.read(object)
	e.username, e.password = credentials(object)
}

// readURLs reads a text or a list of texts.
func (a *answer) readURLs(e *entry, value any) {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for i, element := range list {
		place := fmt.Sprintf("%s, url %d", e.place, i+1)
		if text, ok := element.(string); ok {
			e.urls = append(e.urls, located{place, text})
		} else {
			a.notes.add("%s is left out: it is %s", place, typeName(element))
		}
	}
}

// lookup returns the value of a name, without regard to case, or nil. Of several
// spellings the first in the alphabet counts.
func lookup(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	found := ""
	for key := range object {
		if strings.EqualFold(key, name) && (found == "" || key < found) {
			found = key
		}
	}
	if found == "" {
		return nil
	}
	return object[found]
}

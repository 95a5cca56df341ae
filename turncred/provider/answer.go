package provider

import (
	"encoding/json"
	"errors"
	"extdisco/turncred"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// answer is a provider's answer, reduced to what all of them have in common.
type answer struct {
	servers  []Server
	username string // beside the servers, for those that have none of their own
	password string
	ttl      time.Duration // 0 when the answer states none
	expires  time.Time     // zero when the answer states none
}

// Pointers are JSON Pointers (RFC 6901) into an answer of an unusual shape. An
// empty one leaves that part to be found.
type Pointers struct {
	Servers, Username, Password, TTL, Expires string
}

// The names that providers use for the same things, in lower case.
var (
	serverNames   = []string{"iceservers", "ice_servers", "iceserverlist", "v", "data", "result"}
	urlNames      = []string{"urls", "uris", "url"}
	passwordNames = []string{"credential", "password"}
	ttlNames      = []string{"ttl", "expiryinseconds"}
	expiresNames  = []string{"expires_at", "expireson", "expires"}
)

// maxURLs bounds what one answer may name.
const maxURLs = 32

// parseAnswer reads a JSON answer of any of the shapes in use: a list of ICE
// servers, an object with such a list under one of several names, a single ICE
// server, or the form of the TURN REST API draft with uris.
func parseAnswer(body []byte, at Pointers) (answer, error) {
	document, err := decode(body)
	if err != nil {
		return answer{}, err
	}
	if err := checkStatus(document); err != nil {
		return answer{}, err
	}
	var a answer
	list := document
	if at.Servers == "" {
		list = a.descend(document)
	} else if list, err = pointer(document, at.Servers); err != nil {
		return answer{}, err
	} else {
		a.readAround(document)
	}
	if err := a.readServers(list); err != nil {
		return answer{}, err
	}
	// Last, since what is pointed at counts more than what was found.
	if err := a.readPointers(document, at); err != nil {
		return answer{}, err
	}
	return a, a.complete()
}

// decode reads JSON. Its errors are short and quote no more than a character.
func decode(body []byte) (document any, err error) {
	if err = json.Unmarshal(body, &document); err == nil {
		return document, nil
	}
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return nil, errors.New("the answer holds a number that is out of range")
	}
	return nil, fmt.Errorf("the answer is not JSON: %w", err)
}

// errSaysNo is a refusal with the status of success.
var errSaysNo = errors.New("the answer says")

// checkStatus recognises Xirsys' way to say no with HTTP status 200.
func checkStatus(document any) error {
	object, _ := document.(map[string]any)
	if status, ok := lookup(object, "s").(string); ok && status != "ok" {
		reason, _ := lookup(object, "v").(string)
		return fmt.Errorf("%w %.40q: %.200q", errSaysNo, status, reason)
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
		var inner any
		for _, name := range serverNames {
			if inner = lookup(object, name); inner != nil {
				break
			}
		}
		if inner == nil {
			return value
		}
		value = inner
	}
	return value
}

// readAround notes what an object says of the servers in it.
func (a *answer) readAround(value any) {
	object, _ := value.(map[string]any)
	a.readExpiry(object)
	if username, password := credentials(object); username != "" && password != "" {
		a.username, a.password = username, password
	}
}

// readExpiry notes what an object says about its life. The shortest counts. What
// cannot be read, or is not positive, counts as not stated.
func (a *answer) readExpiry(object map[string]any) {
	for _, name := range ttlNames {
		if ttl, ok := seconds(lookup(object, name)); ok && (a.ttl == 0 || ttl < a.ttl) {
			a.ttl = ttl
		}
	}
	for _, name := range expiresNames {
		if expires, ok := instant(lookup(object, name)); ok && (a.expires.IsZero() || expires.Before(a.expires)) {
			a.expires = expires
		}
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
	if at.TTL != "" {
		a.expires = time.Time{}
	}
	for _, p := range []struct {
		at   string
		take func(any) bool
		want string
	}{
		{at.Username, func(v any) (ok bool) { a.username, ok = v.(string); return ok }, "a text"},
		{at.Password, func(v any) (ok bool) { a.password, ok = v.(string); return ok }, "a text"},
		{at.TTL, func(v any) (ok bool) { a.ttl, ok = seconds(v); return ok }, "a number of seconds"},
		{at.Expires, func(v any) (ok bool) { a.expires, ok = instant(v); return ok }, "an instant (RFC 3339 or Unix time)"},
	} {
		if p.at == "" {
			continue
		}
		value, err := pointer(document, p.at)
		if err != nil {
			return err
		}
		if !p.take(value) {
			return fmt.Errorf("at %s of the answer there is not %s", p.at, p.want)
		}
	}
	return nil
}

func (a *answer) readServers(value any) error {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if err := a.readServers(element); err != nil {
				return err
			}
		}
		return nil
	case string: // a bare list of URIs
		a.servers = append(a.servers, Server{URLs: []string{v}})
		return nil
	case map[string]any:
		return a.readServer(v)
	}
	return errors.New("the answer names no servers where they were expected")
}

func (a *answer) readServer(object map[string]any) error {
	var s Server
	for _, name := range urlNames {
		if urls := lookup(object, name); urls != nil {
			var ok bool
			if s.URLs, ok = texts(urls); !ok {
				return fmt.Errorf("%s in the answer is neither a text nor a list of texts", name)
			}
			break
		}
	}
	if len(s.URLs) == 0 {
		// Perhaps credentials without servers: those stand elsewhere.
		a.readAround(object)
		return nil
	}
	a.readExpiry(object)
	s.Username, s.Password = credentials(object)
	a.servers = append(a.servers, s)
	return nil
}

// complete gives every TURN server a credential, takes it from the STUN servers,
// and drops repetitions.
func (a *answer) complete() error {
	seen := map[string]bool{}
	var out []Server
	count := 0
	for _, s := range a.servers {
		if s.Username == "" && s.Password == "" {
			s.Username, s.Password = a.username, a.password
		}
		stun, turn := Server{}, Server{Username: s.Username, Password: s.Password}
		for _, url := range s.URLs {
			if seen[url] {
				continue
			}
			seen[url] = true
			if count++; count > maxURLs {
				return fmt.Errorf("the answer names more than %d URLs", maxURLs)
			}
			if scheme, _, _ := strings.Cut(url, ":"); strings.HasPrefix(strings.ToLower(scheme), "stun") {
				stun.URLs = append(stun.URLs, url)
			} else {
				turn.URLs = append(turn.URLs, url)
			}
		}
		if len(turn.URLs) > 0 && (turn.Username == "" || turn.Password == "") {
			return errors.New("the answer names a TURN server without username or password")
		}
		for _, part := range []Server{stun, turn} {
			if len(part.URLs) > 0 {
				out = append(out, part)
			}
		}
	}
	a.servers = out
	return nil
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

// texts reads a text or a list of texts.
func texts(value any) ([]string, bool) {
	switch v := value.(type) {
	case string:
		return []string{v}, true
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}

// seconds reads a positive number of seconds, which some write as a text.
func seconds(value any) (time.Duration, bool) {
	var n float64
	switch v := value.(type) {
	case float64:
		n = v
	case string:
		var err error
		if n, err = strconv.ParseFloat(v, 64); err != nil {
			return 0, false
		}
	}
	if !(n >= 1) { // or not a number
		return 0, false
	}
	return time.Duration(min(n, turncred.MaxExpires)) * time.Second, true
}

// instant reads an instant: RFC 3339, or Unix time in seconds or milliseconds.
func instant(value any) (time.Time, bool) {
	n, ok := value.(float64)
	if text, isText := value.(string); isText {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t, true
		}
		number, err := strconv.ParseFloat(text, 64)
		n, ok = number, err == nil
	}
	if n >= 1e12 {
		n /= 1000
	}
	if !ok || !(n >= 1e9) {
		return time.Time{}, false
	}
	return time.Unix(int64(min(n, turncred.MaxExpires)), 0), true
}

// pointer evaluates a JSON Pointer. RFC 6901 §4.
func pointer(document any, path string) (any, error) {
	value := document
	rest := path
	for rest != "" {
		token := strings.TrimPrefix(rest, "/")
		if token == rest {
			return nil, fmt.Errorf("%q is not a JSON pointer; it begins with /", path)
		}
		token, after, more := strings.Cut(token, "/")
		if rest = ""; more {
			rest = "/" + after
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[token]
			if !ok {
				return nil, fmt.Errorf("the answer has nothing at %s", path)
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return nil, fmt.Errorf("the answer has nothing at %s", path)
			}
			value = v[i]
		default:
			return nil, fmt.Errorf("the answer has nothing at %s", path)
		}
	}
	return value, nil
}

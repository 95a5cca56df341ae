package migrate

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"extdisco/internal/config"
	"extdisco/xep0215"
)

var (
	// talkKeys finds the settings of Nextcloud Talk as occ config:list prints them.
	talkKeys = regexp.MustCompile(`"(?:turn_servers|stun_servers)"\s*:`)
	// talkServer finds a TURN server of Talk, as JSON and as occ prints it for people.
	talkServer = regexp.MustCompile(`(?m)"protocols"\s*:\s*"(?:udp|tcp)|^\s*- protocols: *(?:udp|tcp)`)
	// talkList finds the servers that occ talk:stun:list prints, and nothing else.
	talkList = regexp.MustCompile(`^\s*(?:-\s+[A-Za-z0-9.\-\[\]:]+:[0-9]+\s*)+$|^\s*\[\s*(?:"[A-Za-z0-9.\-\[\]]+:[0-9]+"\s*,?\s*)+\]\s*$`)
	talkLine = regexp.MustCompile(`^\s*-\s+(?:([0-9]+):|(schemes|server|secret|protocols):\s*(.*)|(\S+:[0-9]+))\s*$`)
)

// hiddenValue is what occ config:list prints for a secret.
const hiddenValue = "REMOVED SENSITIVE VALUE"

func isTalk(text string) bool {
	return talkKeys.MatchString(text) || talkServer.MatchString(text) || talkList.MatchString(text)
}

// talkTURN is a TURN server of Nextcloud Talk.
type talkTURN struct {
	Schemes   string `json:"schemes"`
	Server    string `json:"server"`
	Secret    string `json:"secret"`
	Protocols string `json:"protocols"`
	line      int
}

// talkReader reads what occ prints.
type talkReader struct {
	list       *List
	text       string
	position   int // what is before it is read
	linesAbove int // before the position
}

// readTalk adds the servers of Nextcloud Talk: the output of occ talk:stun:list,
// talk:turn:list, config:list spreed and config:app:get spreed turn_servers. It reports
// whether there are any settings.
func readTalk(text string, list *List) bool {
	t := &talkReader{list: list, text: text}
	var data any
	if json.Unmarshal([]byte(text), &data) == nil {
		return t.walk("", data, 0)
	}
	return t.lines()
}

// line returns the line of a value. Values are looked for in the order in which they stand.
func (t *talkReader) line(value string) int {
	if n := strings.Index(t.text[t.position:], value); n >= 0 {
		t.linesAbove += strings.Count(t.text[t.position:t.position+n], "\n")
		t.position += n
	}
	return t.linesAbove + 1
}

// maxTalkDepth bounds lists in strings and objects; config:list has four levels.
const maxTalkDepth = 8

// walk finds the settings in JSON. Their values are strings that hold JSON again.
func (t *talkReader) walk(name string, data any, depth int) (found bool) {
	if depth > maxTalkDepth {
		return false
	}
	switch data := data.(type) {
	case map[string]any:
		if _, isServer := data["server"].(string); isServer {
			t.turn(t.object(data))
			return true
		}
		for _, key := range sortedKeys(data) {
			found = t.walk(key, data[key], depth+1) || found
		}
	case []any:
		for _, element := range data {
			found = t.walk(name, element, depth+1) || found
		}
	case string:
		return t.string(name, data, depth)
	}
	return found
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// string reads a string: a STUN server, or JSON.
func (t *talkReader) string(name, text string, depth int) bool {
	isSetting := name == "stun_servers" || name == "turn_servers"
	var inner any
	switch {
	case isSetting && strings.Contains(text, hiddenValue):
		t.list.note(t.line(hiddenValue), "%s is hidden by occ; add --private to the command", name)
	case isSetting && json.Unmarshal([]byte(text), &inner) == nil:
		t.walk(name, inner, depth+1)
	case name == "stun_servers", name == "" && talkList.MatchString(t.text):
		t.stun(t.line(text), text)
	default:
		return false
	}
	return true
}

func (t *talkReader) object(data map[string]any) talkTURN {
	get := func(name string) string {
		s, _ := data[name].(string)
		return s
	}
	return talkTURN{get("schemes"), get("server"), get("secret"), get("protocols"), t.line(get("server"))}
}

// lines reads what occ prints for people.
func (t *talkReader) lines() bool {
	number, found := 0, false
	var server *talkTURN
	finish := func() {
		if server != nil {
			t.turn(*server)
			found = true
		}
		server = nil
	}
	for line := range strings.Lines(t.text) {
		number++
		m := talkLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		switch {
		case m == nil:
			continue
		case m[1] != "":
			finish()
		case m[4] != "":
			finish()
			t.stun(number, m[4])
			found = true
		default:
			if server == nil {
				server = &talkTURN{line: number}
			}
			*map[string]*string{"schemes": &server.Schemes, "server": &server.Server, "secret": &server.Secret, "protocols": &server.Protocols}[m[2]] = m[3]
		}
	}
	finish()
	return found
}

func (t *talkReader) stun(line int, address string) {
	t.list.add(line, "a STUN server", "stun:"+address, Credential{})
}

// turn adds a TURN server: each scheme over each protocol.
func (t *talkReader) turn(s talkTURN) {
	c := sharedSecret(s.Secret, s.line, config.DefaultTTL)
	switch {
	case s.Secret == "":
		c = Credential{missing: "it has no secret"}
	case strings.Contains(s.Secret, hiddenValue):
		c = Credential{missing: "occ hides its secret; add --private to the command"}
	}
	schemes, protocols := splitList(s.Schemes, xep0215.TypeTURN), splitList(s.Protocols, xep0215.TransportUDP)
	for _, scheme := range schemes {
		for _, protocol := range protocols {
			if scheme == xep0215.TypeTURNS && protocol == xep0215.TransportUDP && len(protocols) > 1 {
				continue // DTLS, which no browser knows
			}
			t.list.add(s.line, "a TURN server", scheme+":"+s.Server+"?transport="+protocol, c)
		}
	}
}

// splitList splits a list with commas, which has one element by default.
func splitList(text, otherwise string) []string {
	parts := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' })
	if len(parts) == 0 {
		return []string{otherwise}
	}
	return parts
}

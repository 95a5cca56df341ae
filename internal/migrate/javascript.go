package migrate

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/titanous/json5"

	"extdisco/internal/config"
)

// An RTCIceServer is recognised by its key urls, wherever it stands: code around
// it, and values beside it that are no data, do not matter then. So the text is
// split at its brackets, and what looks like an RTCIceServer is read as JSON5.

var (
	urlsKey  = regexp.MustCompile("(?i)\\b(?:urls?|uris)[\"'`]?\\s*:")
	iceText  = regexp.MustCompile("(?i)[\"'`]\\s*(?:stun|turn)s?:")
	iceStart = regexp.MustCompile(`(?i)^\s*(?:stun|turn)s?:`)
	// surely tells an RTCIceServer from other objects, such as {url: page}.
	surelyServer = regexp.MustCompile("(?i)\\b(?:urls|uris)[\"'`]?\\s*:|[\"'`]\\s*(?:stun|turn)s?:")
)

// maxPieces is far more than code of 1 MiB has.
const maxPieces = 1 << 17

// maxDecode bounds the work on a text whose objects stand in each other.
const maxDecode = 16 * MaxSize

// jsReader reads the pieces of a text.
type jsReader struct {
	text    *jsText
	list    *List
	decoded int // bytes
}

func readJavaScript(text string, list *List) error {
	i := &jsReader{text: splitJavaScript(text), list: list}
	if len(i.text.pieces) > maxPieces {
		return errors.New("it has too many brackets; cut out the part with the servers")
	}
	done := 0 // what is before it is read
	for n := range i.text.pieces {
		p := &i.text.pieces[n]
		if p.start < done {
			continue
		}
		if i.decoded > maxDecode {
			return errors.New("its brackets are nested too deeply; cut out the part with the servers")
		}
		switch {
		case p.open == '{' && urlsKey.Match(p.own):
			if i.object(p) {
				done = p.end
			}
		case p.open == '[' && iceText.Match(p.own):
			if p.parent < 0 || !i.text.pieces[p.parent].refused {
				i.strings(p)
			}
		}
	}
	return nil
}

// decode reads a piece as JSON5.
func (i *jsReader) decode(p *jsPiece, v any) error {
	if !p.closed {
		return errors.New("its closing bracket is missing")
	}
	i.decoded += p.end - p.start
	if json5.Unmarshal(i.text.clean[p.start:p.end], v) != nil {
		return errors.New("a value in it is not plain data but code, such as a variable, a call or a + between texts; put the value itself there")
	}
	return nil
}

// object adds the services of an RTCIceServer, and reports whether the object is
// one.
func (i *jsReader) object(p *jsPiece) bool {
	line := i.text.line(p.start)
	var values map[string]any
	if err := i.decode(p, &values); err != nil {
		if surelyServer.Match(p.own) {
			p.refused = true
			i.list.note(line, "an entry with urls is left out: %v", err)
		}
		return false
	}
	fields := map[string]any{}
	for name, v := range values {
		fields[strings.ToLower(name)] = v
	}
	urls, isServer := serverURLs(fields)
	if !isServer {
		return false
	}
	c := accountOf(fields)
	c.Line = line
	for _, url := range urls {
		i.list.add(line, "a URI", url, c)
	}
	if len(urls) == 0 {
		i.list.note(line, "an entry is left out: its urls are neither a text nor a list of texts")
	}
	return true
}

// strings adds the services of a list of texts.
func (i *jsReader) strings(p *jsPiece) {
	line := i.text.line(p.start)
	var values []any
	if err := i.decode(p, &values); err != nil {
		i.list.note(line, "a list of URIs is left out: %v", err)
		return
	}
	for _, url := range textsOf(values) {
		if iceStart.MatchString(url) {
			i.list.add(line, "a URI", url, Credential{})
		}
	}
}

// serverURLs returns the URLs of an RTCIceServer. The old url, which may be any
// address, makes one only with an ICE URI.
func serverURLs(fields map[string]any) (urls []string, isServer bool) {
	for _, name := range []string{"urls", "uris"} {
		if v, ok := fields[name]; ok {
			return textsOf(v), true
		}
	}
	urls = textsOf(fields["url"])
	return urls, slices.ContainsFunc(urls, iceStart.MatchString)
}

// textsOf returns the texts of a text or list.
func textsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var texts []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				texts = append(texts, s)
			}
		}
		return texts
	}
	return nil
}

// accountOf returns the credential of an RTCIceServer.
func accountOf(fields map[string]any) Credential {
	username, _ := fields["username"].(string)
	password, found := fields["credential"]
	if !found {
		password = fields["password"]
	}
	text, isText := password.(string)
	if password != nil && !isText {
		return Credential{missing: "its credential is not a string"}
	}
	// Galene marks a shared secret so.
	if kind, _ := fields["credentialtype"].(string); strings.EqualFold(kind, "hmac-sha1") && text != "" {
		return sharedSecret(text, 0, config.DefaultTTL)
	}
	if username == "" && text == "" {
		return Credential{}
	}
	return fixedAccount(username, text, 0)
}

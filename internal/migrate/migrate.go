// Package migrate reads the STUN and TURN servers that other programs are configured with,
// and writes them as [[ice_server]] tables for config.toml.
//
// Nothing that is read is run. What cannot be used is left out, and a note says why.
package migrate

import (
	"path/filepath"
	"strings"
)

// MaxSize bounds what [Read] is given, in bytes.
const MaxSize = 1 << 20

// Format is a kind of file.
type Format string

// The formats that [Read] recognises.
const (
	FormatWeb     Format = "RTCIceServer list"
	FormatProsody Format = "Prosody configuration"
	FormatCoturn  Format = "turnserver.conf"
)

// LooksFor says what [Read] looks for, one thing a line.
const LooksFor = "looked for: objects with urls (or url) and, for TURN, username and credential, as in {iceServers: [{urls: \"stun:stun.example.org\"}]}\n" +
	"looked for: external_services = { … } or turn_external_host = \"…\" of Prosody, with that name in the text"

// Read finds the servers in a text, which is valid UTF-8. The name is that of the file, or
// empty; its format is recognised by the content and, where that is ambiguous, by the name.
// The host is what clients know the TURN server by, for texts that do not say; empty when
// that is not known.
func Read(name, text, host string) (*List, error) {
	list := newList()
	list.host = host
	base := strings.ToLower(filepath.Base(name))
	switch {
	case prosodyOption.MatchString(text):
		list.Format = FormatProsody
		found, err := readProsody(text, list)
		if err != nil || found {
			return list, err
		}
	case strings.HasPrefix(base, "turnserver") && strings.HasSuffix(base, ".conf"), coturnOption.MatchString(text):
		list.Format = FormatCoturn
		readCoturn(text, list)
		return list, nil
	}
	list.Format = FormatWeb
	return list, readJavaScript(text, list)
}

// Package migrate reads the STUN and TURN servers that other programs are configured with,
// and writes them as [[ice_server]] tables for config.toml.
//
// Nothing that is read is run. What cannot be used is left out, and a note says why. No note
// and no error shows a secret, or quotes what was not understood and may be one.
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
	FormatWeb       Format = "RTCIceServer list"
	FormatProsody   Format = "Prosody configuration"
	FormatLua       Format = "RTCIceServer list in Lua"
	FormatCoturn    Format = "turnserver.conf"
	FormatEjabberd  Format = "ejabberd.yml"
	FormatDocker    Format = "docker-jitsi-meet's .env"
	FormatNextcloud Format = "Nextcloud Talk settings"
	FormatSynapse   Format = "Synapse's homeserver.yaml"
)

// LooksFor says what [Read] looks for, one thing a line.
const LooksFor = "looked for: objects with urls (or url) and, for TURN, username and credential, as in {iceServers: [{urls: \"stun:stun.example.org\"}]}\n" +
	"looked for: external_services, turn_external_host or turncredentials of Prosody; static-auth-secret or user of turnserver.conf; mod_stun_disco or ejabberd_stun of ejabberd.yml\n" +
	"looked for: TURN_HOST, TURNS_HOST or STUN_HOST of docker-jitsi-meet; turn_servers or stun_servers of Nextcloud Talk; turn_uris of Synapse"

// Read finds the servers in a text, which is valid UTF-8. The name is that of the file, or
// empty; its format is recognised by the content and, where that is ambiguous, by the name.
// The host is what clients know the TURN server by, for texts that do not say; empty when
// that is not known. The error says that the text cannot be read as a whole.
func Read(name, text, host string) (*List, error) {
	list := newList()
	list.host = host
	text = strings.TrimPrefix(text, "\ufeff")
	list.Format = formatOf(strings.ToLower(filepath.Base(name)), text)
	switch list.Format {
	case FormatCoturn:
		readCoturn(text, list)
		return list, nil
	case FormatEjabberd:
		return list, readEjabberd(text, list)
	case FormatSynapse:
		return list, readSynapse(text, list)
	case FormatProsody, FormatLua:
		found, err := readProsody(text, list)
		if found && (err == nil || list.Format == FormatProsody) {
			return list, err
		}
		*list = *newList() // nothing but names in comments
		list.host = host
	case FormatNextcloud:
		if readTalk(text, list) {
			return list, nil
		}
	case FormatDocker:
		readDocker(text, list)
		return list, readJavaScript(text, list) // a list in a variable of its own
	}
	list.Format = FormatWeb
	return list, readJavaScript(text, list)
}

// formatOf recognises the format of a text.
func formatOf(base, text string) Format {
	isYAML := strings.HasSuffix(base, ".yml") || strings.HasSuffix(base, ".yaml")
	switch {
	case prosodyOption.MatchString(text):
		return FormatProsody
	case isTalk(text):
		return FormatNextcloud
	case ejabberdModule.MatchString(text):
		return FormatEjabberd
	case synapseOption.MatchString(text) && !strings.HasPrefix(strings.TrimSpace(text), "{"):
		return FormatSynapse
	case dockerVariable.MatchString(text):
		return FormatDocker
	case luaServer.MatchString(text):
		return FormatLua
	case strings.HasPrefix(base, "turnserver") && strings.HasSuffix(base, ".conf"),
		!isYAML && !surelyServer.MatchString(text) && coturnOption.MatchString(text):
		return FormatCoturn
	}
	return FormatWeb
}

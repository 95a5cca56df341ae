// Package migrate reads the STUN and TURN servers that other programs are
// configured with, and writes them as [[ice_server]] tables for config.toml: the
// RTCIceServer lists of web pages (WebRTC §4.2.4), and the options of Prosody's
// mod_external_services and mod_turn_external.
//
// Nothing that is read is run. What cannot be used is left out, and a note says
// why.
package migrate

// MaxSize bounds what [Read] is given, in bytes.
const MaxSize = 1 << 20

// LooksFor says what [Read] looks for, one thing a line.
const LooksFor = "looked for: objects with urls (or url) and, for TURN, username and credential, as in {iceServers: [{urls: \"stun:stun.example.org\"}]}\n" +
	"looked for: external_services = { … } or turn_external_host = \"…\" of Prosody, with that name in the text"

// Read finds the servers in a text, which is valid UTF-8.
func Read(text string) (*List, error) {
	list := newList()
	if prosodyOption.MatchString(text) {
		found, err := readProsody(text, list)
		if err != nil || found {
			return list, err
		}
	}
	return list, readJavaScript(text, list)
}

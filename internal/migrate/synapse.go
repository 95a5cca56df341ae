package migrate

import (
	"path/filepath"
	"regexp"
	"time"

	"extdisco/internal/config"
)

// synapseOption finds the options of Synapse's homeserver.yaml about TURN.
var synapseOption = regexp.MustCompile(`(?m)^[ \t]*["']?turn_(?:uris|shared_secret|shared_secret_path|user_lifetime|username|password|allow_guests)["']?[ \t]*:`)

// readSynapse adds the servers of a homeserver.yaml.
func readSynapse(text string, list *List) error {
	root, err := readYAML(text)
	if err != nil {
		return err
	}
	uris := root.get("turn_uris")
	c := synapseCredential(root, list)
	for _, uri := range uris.items() {
		if uri.text() == "" {
			list.note(uri.line(), "a URI is left out: it is not a string")
			continue
		}
		list.add(uri.line(), "a URI of turn_uris", uri.text(), c)
	}
	if !uris.isSet() {
		list.note(root.line(), "turn_uris is not set")
	}
	return nil
}

func synapseCredential(root yamlNode, list *List) Credential {
	ttl := config.DefaultTTL
	if stated := root.get("turn_user_lifetime"); stated.isSet() {
		d, err := parseDuration(stated.text(), time.Millisecond)
		if err != nil {
			list.note(stated.line(), "turn_user_lifetime %v; %s is used instead", err, config.FormatDuration(ttl))
		} else {
			ttl = d
		}
	}
	shared, file := root.get("turn_shared_secret"), root.get("turn_shared_secret_path")
	username, password := root.get("turn_username"), root.get("turn_password")
	switch {
	case shared.text() != "":
		return sharedSecret(shared.text(), shared.line(), ttl)
	case file.text() != "":
		if !filepath.IsAbs(file.text()) {
			list.note(file.line(), "turn_shared_secret_path is relative to Synapse's working directory; write the whole path")
		}
		return Credential{Kind: SharedSecret, File: file.text(), Line: file.line(), TTL: ttl}
	case username.text() != "" || password.text() != "":
		return fixedAccount(username.text(), password.text(), max(username.line(), password.line()))
	}
	return Credential{missing: "neither turn_shared_secret nor turn_username and turn_password are set"}
}

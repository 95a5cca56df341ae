package setup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"extdisco/internal/config"
	"extdisco/internal/migrate"
	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// turnserverConf is coturn's configuration.
const turnserverConf = "/etc/turnserver.conf"

// found are the TURN servers, and where they were found.
type found struct {
	list    *migrate.List
	where   string
	remarks []string
}

// nameServers says how to name what cannot be found.
const nameServers = "name the servers with --turn-server URI, once for each, and a file with their shared secret with --turn-secret-file FILE"

// servers finds the TURN servers: those that are named, those of the list that Prosody
// gives out today, or coturn on this machine.
func (s *setup) servers(old oldList) (*found, error) {
	named, err := s.namedSecret()
	if err != nil {
		return nil, err
	}
	coturn, err := s.coturn()
	if err != nil {
		return nil, err
	}
	switch {
	case len(s.options.TURNServers) > 0:
		return s.namedServers(named, coturn)
	case len(old.unreadable()) > 0:
		c := old.unreadable()[0]
		return nil, fmt.Errorf("%s, line %d: %s is computed, or part of something else, and cannot be read; "+nameServers, c.file, c.line, c.name)
	case len(old.unknown) > 0:
		c := old.unknown[0]
		return nil, fmt.Errorf("%s, line %d: the options of %s are computed and may hold a list of TURN servers; "+nameServers, c.file, c.line, c.host)
	case len(old.plain) > 0:
		text, err := old.text(s)
		if err != nil {
			return nil, err
		}
		list, err := migrate.Read("prosody.cfg.lua", text, "")
		if err != nil {
			return nil, fmt.Errorf("the list in %s cannot be read: %w", old.where(), err)
		}
		if relays(list) {
			f := &found{list: list, where: "the list in " + old.where()}
			f.takeNotes("the list of Prosody")
			f.compareSecrets(coturn)
			return f, f.complete(named)
		}
		if coturn == nil && len(list.Notes) > 0 {
			return nil, unusable(old.where(), "the list of Prosody", list)
		}
	}
	if coturn != nil && relays(coturn) {
		f := &found{list: coturn, where: turnserverConf}
		f.takeNotes(turnserverConf)
		return f, f.complete(named)
	}
	if coturn != nil {
		return nil, unusable(turnserverConf, turnserverConf, coturn)
	}
	return nil, errors.New("no TURN server was found, neither in " + turnserverConf + " nor in the XMPP server's configuration; " +
		"set up extdisco's own relay with --relay, or name a TURN server with --turn-server, once for each URI such as turn:turn.example.org:3478?transport=udp, and a file with its shared secret with --turn-secret-file FILE")
}

// unusable is the error for a list that has no TURN server with a credential.
func unusable(where, named string, list *migrate.List) error {
	return fmt.Errorf("%s names no TURN server that can be used: %s", where, strings.Join(append(notes(named, list), "or name it with --turn-server URI and --turn-secret-file FILE"), "; "))
}

// coturn reads turnserver.conf; nil when there is none, or nothing is set in it.
func (s *setup) coturn() (*migrate.List, error) {
	text, err := s.tree.read(turnserverConf)
	if err != nil {
		return nil, nil // coturn is not here
	}
	list, err := migrate.Read("turnserver.conf", string(text), s.options.TURNHost)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", turnserverConf, err)
	}
	if list.Coturn == nil || list.Coturn.Credential().Kind == migrate.NoCredential && !list.Coturn.NoAuth {
		return nil, nil // as the package installs it
	}
	return list, nil
}

// notes returns what there is to say about a list, with the flags of setup.
func notes(where string, list *migrate.List) []string {
	var out []string
	for _, note := range list.Notes {
		out = append(out, where+", "+strings.ReplaceAll(note, "--host", "--turn-host HOST"))
	}
	return out
}

// takeNotes shows the notes of the list to whoever runs setup, instead of writing them into
// the configuration.
func (f *found) takeNotes(where string) {
	f.remarks = append(f.remarks, notes(where, f.list)...)
	f.list.Notes = nil
}

func relays(list *migrate.List) bool {
	return slices.ContainsFunc(list.Servers, func(s *migrate.Server) bool { return s.Kind != migrate.NoCredential })
}

// namedSecret reads the file of --turn-secret-file.
func (s *setup) namedSecret() (secret.Secret, error) {
	if s.options.SecretFile == "" {
		return secret.Secret{}, nil
	}
	content, err := os.ReadFile(s.options.SecretFile)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("--turn-secret-file: %w", err)
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" || strings.Contains(value, "\n") {
		return secret.Secret{}, fmt.Errorf("--turn-secret-file: %s must hold the secret on one line", s.options.SecretFile)
	}
	return secret.New(value), nil
}

// namedServers returns the servers of --turn-server.
func (s *setup) namedServers(named secret.Secret, coturn *migrate.List) (*found, error) {
	turn := &migrate.Server{Credential: migrate.Credential{Kind: migrate.SharedSecret, Secret: named, TTL: config.DefaultTTL}}
	stun := &migrate.Server{}
	for _, uri := range s.options.TURNServers {
		service, err := xep0215.ParseURI(uri)
		switch {
		case err != nil:
			return nil, fmt.Errorf("--turn-server: %w; write for example turn:turn.example.org:3478?transport=udp", err)
		case service.Restricted:
			turn.URIs = append(turn.URIs, service.URI())
		default:
			stun.URIs = append(stun.URIs, service.URI())
		}
	}
	f := &found{where: "--turn-server", list: &migrate.List{}}
	if len(turn.URIs) == 0 {
		f.list.Servers = []*migrate.Server{stun}
		return f, nil
	}
	turn.URIs = append(stun.URIs, turn.URIs...)
	f.list.Servers = []*migrate.Server{turn}
	if turn.Secret.IsEmpty() && coturn != nil && len(coturn.Coturn.Secrets) > 0 {
		turn.Secret = coturn.Coturn.Secrets[0]
		f.where += ", their secret in " + turnserverConf
	}
	if turn.Secret.IsEmpty() {
		return nil, errors.New("--turn-server: the TURN server's shared secret is missing; name a file that holds it with --turn-secret-file FILE")
	}
	return f, nil
}

// complete puts the secret of --turn-secret-file where the others have none.
func (f *found) complete(named secret.Secret) error {
	for _, server := range f.list.Servers {
		if server.Kind == migrate.SharedSecret && !named.IsEmpty() {
			server.Secret, server.Computed, server.File = named, "", ""
		}
		if server.Computed != "" || server.File != "" || server.UsernameComputed {
			return fmt.Errorf("%s does not contain the secret of %s; name a file that holds it with --turn-secret-file FILE", f.where, server.URIs[0])
		}
	}
	return nil
}

// compareSecrets remarks that coturn has another secret than the list.
func (f *found) compareSecrets(coturn *migrate.List) {
	if coturn == nil || len(coturn.Coturn.Secrets) == 0 {
		return
	}
	for _, server := range f.list.Servers {
		known := slices.ContainsFunc(coturn.Coturn.Secrets, func(s secret.Secret) bool { return s.Equal(server.Secret) })
		if server.Kind == migrate.SharedSecret && !known {
			f.remarks = append(f.remarks, fmt.Sprintf("The secret of %s is not the one in %s. If this list means the coturn on this machine, coturn will refuse the credentials: give --turn-secret-file FILE, a file with coturn's secret.", f.where, turnserverConf))
		}
	}
}

package source

import (
	"fmt"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// ProbeUser is the user part of the usernames that servers are tried with, so that the
// TURN server's log and quotas show who it is.
const ProbeUser = "healthcheck"

// ProbeServer returns what to try of a service; false where its type is none of STUN
// and TURN.
func ProbeServer(s xep0215.Service) (probe.Server, bool) {
	switch s.Type {
	case xep0215.TypeSTUN, xep0215.TypeSTUNS, xep0215.TypeTURN, xep0215.TypeTURNS:
	default:
		return probe.Server{}, false
	}
	return probe.Server{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport, Username: s.Username, Password: secret.New(s.Password)}, true
}

// ConfiguredServer returns what to try of a service of an [[ice_server]], without a
// credential; false where its type is none of STUN and TURN.
func ConfiguredServer(cfg config.ICEServer, s xep0215.Service) (probe.Server, bool) {
	server, ok := ProbeServer(s)
	server.Ours, server.NAT = cfg.Key == config.RelayKey, cfg.NAT
	if xep0215.NeedsCredentials(s.Type) {
		server.Sign, server.SignPrevious = Signers(cfg)
	}
	return server, ok
}

// ProbeServers returns the servers of an [[ice_server]] with credentials to try them
// with. A provider is asked for them.
func ProbeServers(cfg config.ICEServer, now time.Time) ([]probe.Server, error) {
	services := cfg.Services
	if cfg.Provider != nil {
		set, err := FetchOnce(cfg.Provider, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", cfg.Key, cfg.Provider.Name, err)
		}
		services = set.Services
	}
	c, err := IssueTo(cfg, ProbeUser, now, cfg.TTL)
	if err != nil {
		return nil, err
	}
	var servers []probe.Server
	for _, s := range services {
		if cfg.Provider == nil && xep0215.NeedsCredentials(s.Type) {
			s.Username, s.Password = string(c.Username), string(c.Password)
		}
		if server, ok := ConfiguredServer(cfg, s); ok {
			servers = append(servers, server)
		}
	}
	return servers, nil
}

// Signers returns functions that sign usernames with the shared secret of a server, and
// with the previous one; nil for what it does not have.
func Signers(cfg config.ICEServer) (now, previous func(username string) secret.Secret) {
	if before, ok := withPrevious(cfg); ok {
		previous, _ = Signers(before)
	}
	if cfg.SharedSecret.IsEmpty() {
		return nil, previous
	}
	issuer := newSharedSecret(cfg)
	return func(username string) secret.Secret {
		return secret.New(string(issuer.AppendPassword(nil, []byte(username))))
	}, previous
}

package source

import (
	"time"

	"extdisco/internal/config"
	"extdisco/internal/relay"
	"extdisco/internal/secret"
)

// RelayServer returns the relay as a server of the answer that makes credentials with
// the keys.
func RelayServer(cfg config.Relay, keys relay.Keys) config.ICEServer {
	return cfg.ICEServer(secret.New(string(keys.Secret)), secret.New(string(keys.PseudonymKey)))
}

// Servers returns the servers of a configuration in the order of the answer: the relay,
// with the keys that it keeps in its folder, and each [[ice_server]], with the secrets that are kept
// where they rotate. All of them are read for every call.
func Servers(cfg *config.Config, now time.Time) ([]config.ICEServer, error) {
	rotated, err := readRotated(cfg.ICEServers, now)
	if err != nil {
		return nil, err
	}
	known := *cfg
	known.ICEServers = rotated
	if !cfg.Relay.On {
		return rotated, nil
	}
	keys := relay.Keys{Secret: []byte(cfg.Relay.Secret.Reveal())}
	if len(keys.Secret) == 0 {
		if keys, err = relay.ReadKeys(cfg.Relay.StateDir, now); err != nil {
			return nil, err
		}
	}
	return WithRelay(&known, keys), nil
}

// WithRelay returns the servers of a configuration in the order of the answer, with
// these keys of the relay where there is one.
func WithRelay(cfg *config.Config, keys relay.Keys) []config.ICEServer {
	if !cfg.Relay.On {
		return cfg.ICEServers
	}
	return append([]config.ICEServer{RelayServer(cfg.Relay, keys)}, cfg.ICEServers...)
}

package source

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/rotation"
)

// WithRotation returns servers with the secrets of those that rotate. probed says that it is tried
// which secret a TURN server accepts, so that a new one need not wait until that is certain.
func WithRotation(servers []config.ICEServer, probed bool, keys func(rotation.Config) rotation.Keys) []config.ICEServer {
	servers = slices.Clone(servers)
	for i, s := range servers {
		if s.Rotation != nil {
			servers[i] = withKeys(s, probed, keys(*s.Rotation))
		}
	}
	return servers
}

func withKeys(s config.ICEServer, probed bool, keys rotation.Keys) config.ICEServer {
	s.SharedSecret, s.OldSecrets = keys.Current, keys.All
	if probed && !keys.Before.IsEmpty() {
		s.SharedSecret, s.PreviousSecret = keys.Newest, keys.Before
	}
	return s
}

// readRotated returns servers with the secrets that are kept of those that rotate.
func readRotated(servers []config.ICEServer, now time.Time) ([]config.ICEServer, error) {
	var failed error
	read := WithRotation(servers, true, func(c rotation.Config) rotation.Keys {
		keys, err := rotation.ReadKeys(c, now)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no secret of coturn's database is in %s yet; the first is made when extdisco is started", c.StateDir)
		}
		failed = errors.Join(failed, err)
		return keys
	})
	return read, failed
}

// isPending reports whether the secret of a server is not known yet. Nothing can be offered of it but
// STUN until it is.
func isPending(cfg config.ICEServer) bool {
	return cfg.Rotation != nil && cfg.SharedSecret.IsEmpty()
}

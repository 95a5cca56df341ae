package daemon

import (
	"log/slog"

	"extdisco/internal/probe"
	"extdisco/internal/source"
)

// secretChange puts the secret in force that each [[ice_server]] with a previous_secret has at
// present. Until a server was tried, that is the previous one, which was good until the
// configuration was changed.
type secretChange struct {
	offer *offer
	log   *slog.Logger
	own   []*source.Own                // those with a previous secret
	told  map[string]probe.SecretState // by where they stand; what was logged last
}

// newSecretChange returns the change of what o offers. What known says was told by the offer
// before.
func newSecretChange(o *offer, log *slog.Logger, known []probe.Health) *secretChange {
	r := &secretChange{offer: o, log: log, told: map[string]probe.SecretState{}}
	for _, own := range o.own {
		if own.Rotates() {
			r.own = append(r.own, own)
			r.told[own.Key()] = acceptedAt(own.Key(), known)
		}
	}
	return r
}

// follow puts the secrets in force that the servers are known to accept. It is called by one
// goroutine at a time.
func (r *secretChange) follow(all []probe.Health) {
	for _, own := range r.own {
		accepted := acceptedAt(own.Key(), all)
		own.UsePrevious(accepted == probe.SecretPrevious || accepted == probe.SecretUnknown)
		r.tell(own, accepted)
	}
	if len(r.own) > 0 {
		r.offer.fix()
	}
}

// acceptedAt returns what the servers of an [[ice_server]] accept: the new secret if one of
// them does, otherwise the previous one if one of them does.
func acceptedAt(key string, all []probe.Health) probe.SecretState {
	found := map[probe.SecretState]bool{}
	for _, h := range all {
		if h.Where == key && h.Credential != nil {
			found[h.Accepts] = true
		}
	}
	for _, state := range []probe.SecretState{probe.SecretNew, probe.SecretPrevious, probe.SecretUnknown} {
		if found[state] {
			return state
		}
	}
	return probe.SecretNeither
}

// tell logs which secret is in force, when it is known and another one than before.
func (r *secretChange) tell(own *source.Own, accepted probe.SecretState) {
	key := own.Key()
	if accepted == r.told[key] || accepted != probe.SecretNew && accepted != probe.SecretPrevious {
		return
	}
	r.told[key] = accepted
	switch {
	case accepted == probe.SecretPrevious && own.ByItself():
		r.log.Warn("credentials are made with the previous secret: the TURN server refuses the new one", "config", key,
			"do", "see that coturn reads the database of coturn_db, and that its realm is that of the configuration")
		return
	case own.ByItself():
		r.log.Info("credentials are made with the new secret: the TURN server accepts it", "config", key)
		return
	case accepted == probe.SecretPrevious:
		r.log.Warn("credentials are made with the previous secret: the TURN server refuses the new one", "config", key,
			"do", "restart the TURN server with the new secret (coturn: static-auth-secret)")
		return
	}
	r.log.Info("credentials are made with the new secret: the TURN server accepts it", "config", key,
		"do", "remove previous_secret from the configuration once the credentials made with it have expired")
}

// explains reports whether all that is wrong with a server is its part in a rotation: it has
// the previous secret, which is in force, or has just been stopped to be given the new one.
func (r *secretChange) explains(h probe.Health, all []probe.Health) bool {
	switch {
	case h.State != probe.Up:
		return false
	case h.Accepts == probe.SecretPrevious:
		return acceptedAt(h.Where, all) == probe.SecretPrevious
	}
	return h.Accepts == probe.SecretNeither
}

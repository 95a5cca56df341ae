package source

import (
	"slices"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// Own is a source of configured services whose credentials are made here, with a
// shared secret or from a fixed account. It implements [Source].
type Own struct {
	cfg   config.ICEServer
	group *xep0215.Group
	shown atomic.Pointer[[]*xep0215.Group] // of one group: without the hidden services
}

// NewOwn returns the source that cfg describes. cfg has no provider.
func NewOwn(cfg config.ICEServer) *Own {
	o := &Own{cfg: cfg, group: xep0215.NewGroup(newIssuer(cfg), named(cfg.Services, cfg.Name)...)}
	o.Hide(nil)
	return o
}

// Hide leaves the hidden services out of lists from now on.
func (o *Own) Hide(hidden map[xep0215.Key]bool) {
	group := o.group
	if len(hidden) > 0 {
		group = group.Hide(func(k xep0215.Key) bool { return hidden[k] })
	}
	o.shown.Store(&[]*xep0215.Group{group})
}

// Groups implements [Source]. It is the same for every requester.
func (o *Own) Groups([]byte, time.Time) []*xep0215.Group { return *o.shown.Load() }

// Prepare implements [Source].
func (o *Own) Prepare([]byte, time.Time) <-chan struct{} { return nil }

// Good implements [Source].
func (o *Own) Good(time.Time) bool { return true }

// ForTrial implements [Source].
func (o *Own) ForTrial() Source {
	cfg := o.cfg
	cfg.TTL = min(cfg.TTL, TrialTTL)
	return NewOwn(cfg)
}

// Close implements [Source].
func (o *Own) Close(bool) {}

// Status implements [Source].
func (o *Own) Status(time.Time) Status {
	s := Status{Key: o.cfg.Key}
	for _, service := range o.cfg.Services {
		s.Services = append(s.Services, Service{service.Key(), service.URI(), credentialKind(o.cfg, service)})
	}
	return s
}

func credentialKind(cfg config.ICEServer, service xep0215.Service) string {
	switch {
	case !service.Restricted:
		return "none needed"
	case cfg.SharedSecret.IsEmpty():
		return "a fixed account"
	}
	return "one for each user, valid for " + config.FormatDuration(cfg.TTL)
}

// newIssuer returns what makes the credentials of a server, or nil.
func newIssuer(cfg config.ICEServer) xep0215.Issuer {
	switch {
	case !cfg.SharedSecret.IsEmpty():
		return newSharedSecret(cfg)
	case cfg.Username != "":
		return turncred.NewStatic(cfg.Username, []byte(cfg.Password.Reveal()))
	}
	return nil
}

// newSharedSecret returns the issuer of a server that has a shared secret.
func newSharedSecret(cfg config.ICEServer) *turncred.SharedSecret {
	return turncred.NewSharedSecret([]byte(cfg.SharedSecret.Reveal()), pseudonyms(cfg), cfg.TTL)
}

// named returns services with the display name that is configured for them.
func named(services []xep0215.Service, name config.Name) []xep0215.Service {
	if len(name) == 0 {
		return services
	}
	out := slices.Clone(services)
	for i := range out {
		out[i].Name = name[""]
		for language, text := range name {
			if language == "" {
				continue
			}
			if out[i].Names == nil {
				out[i].Names = map[string]string{}
			}
			out[i].Names[language] = text
		}
	}
	return out
}

// IssueTo returns a credential of a server for the named user instead of a requester. It
// is empty when the server needs none.
func IssueTo(cfg config.ICEServer, user string, now time.Time, ttl time.Duration) (turncred.Credential, error) {
	var c turncred.Credential
	switch {
	case !cfg.SharedSecret.IsEmpty():
		return c, newSharedSecret(cfg).IssueTo(&c, user, now, ttl)
	case cfg.Username != "":
		turncred.NewStatic(cfg.Username, []byte(cfg.Password.Reveal())).Issue(&c, nil, now)
	}
	return c, nil
}

package source

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// Own is a source of configured services whose credentials are made here, with a
// shared secret or from a fixed account. It implements [Source].
type Own struct {
	cfg      config.ICEServer
	group    *xep0215.Group
	previous *xep0215.Group       // the same, with the previous secret; nil where there is none
	shown    atomic.Pointer[Part] // without the hidden services
	old      atomic.Bool          // whether the previous secret is in force

	mu     sync.Mutex // guards hidden
	hidden map[xep0215.Key]bool
}

// NewOwn returns the source that cfg describes. cfg has no provider.
func NewOwn(cfg config.ICEServer) *Own {
	services := labelled(cfg.Services, cfg.Name, cfg.Info)
	o := &Own{cfg: cfg, group: xep0215.NewGroup(newIssuer(cfg), services...)}
	if before, ok := withPrevious(cfg); ok {
		o.previous = xep0215.NewGroup(newIssuer(before), services...)
	}
	o.Hide(nil)
	return o
}

// withPrevious returns the configuration of a server as it was with the previous secret;
// false where there is none.
func withPrevious(cfg config.ICEServer) (config.ICEServer, bool) {
	if cfg.PreviousSecret.IsEmpty() {
		return cfg, false
	}
	cfg.SharedSecret, cfg.PreviousSecret = cfg.PreviousSecret, secret.Secret{}
	return cfg, true
}

// Hide leaves the hidden services out of lists from now on.
func (o *Own) Hide(hidden map[xep0215.Key]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hidden = hidden
	o.show()
}

// UsePrevious says whether credentials are made with the previous secret from now on. A
// source without one goes on as before.
func (o *Own) UsePrevious(previous bool) {
	if o.previous == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.old.Store(previous)
	o.show()
}

// UsesPrevious reports whether credentials are made with the previous secret.
func (o *Own) UsesPrevious() bool { return o.old.Load() }

// Key returns where the source stands in the configuration.
func (o *Own) Key() string { return o.cfg.Key }

// Rotates reports whether there is a previous secret.
func (o *Own) Rotates() bool { return o.previous != nil }

// ByItself reports whether the secret rotates by itself.
func (o *Own) ByItself() bool { return o.cfg.Rotation != nil }

// show puts the group in force. The caller holds mu.
func (o *Own) show() {
	group := o.group
	if o.old.Load() {
		group = o.previous
	}
	if len(o.hidden) > 0 {
		hidden := o.hidden
		group = group.Hide(func(k xep0215.Key) bool { return hidden[k] })
	}
	o.shown.Store(newPart([]*xep0215.Group{group}, true))
}

// Part implements [Source]. It is the same for every requester.
func (o *Own) Part([]byte, time.Time) *Part { return o.shown.Load() }

// Prepare implements [Source].
func (o *Own) Prepare([]byte, time.Time) <-chan struct{} { return nil }

// Good implements [Source].
func (o *Own) Good(time.Time) bool { return !isPending(o.cfg) }

// ForTrial implements [Source].
func (o *Own) ForTrial() Source {
	cfg := o.cfg
	cfg.TTL = min(cfg.TTL, TrialTTL)
	trial := NewOwn(cfg)
	trial.UsePrevious(o.UsesPrevious())
	return trial
}

// Close implements [Source].
func (o *Own) Close(bool) {}

// Status implements [Source].
func (o *Own) Status(time.Time) Status {
	s := Status{Key: o.cfg.Key}
	for _, service := range o.cfg.Services {
		s.Services = append(s.Services, Service{service.Key(), service.URI(), o.credentialKind(service)})
	}
	return s
}

func (o *Own) credentialKind(service xep0215.Service) string {
	how := ""
	switch {
	case !service.Restricted:
		return "none needed"
	case isPending(o.cfg):
		return "none yet: coturn's database has not answered"
	case o.cfg.SharedSecret.IsEmpty():
		return "a fixed account"
	case o.UsesPrevious():
		how = " with the previous secret"
	case o.cfg.Rotation != nil:
		how = " with a secret that rotates"
	}
	return "one for each user" + how + ", valid for " + config.FormatDuration(o.cfg.TTL)
}

// newIssuer returns what makes the credentials of a server, or nil.
func newIssuer(cfg config.ICEServer) xep0215.Issuer {
	switch {
	case isPending(cfg):
		return expiredCredential{}
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

// labelled returns services with the display name and the extended information that are
// configured for them.
func labelled(services []xep0215.Service, name config.Name, info []xep0215.Field) []xep0215.Service {
	if len(name) == 0 && len(info) == 0 {
		return services
	}
	out := slices.Clone(services)
	for i := range out {
		out[i].Name, out[i].Info = name[""], info
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

package source

import (
	"errors"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// Set is what a provider gave, as it is offered.
type Set struct {
	provider.Set
	Services []xep0215.Service // with their credentials

	part  *Part
	down  *Part    // the same TURN servers without a credential, for when it has expired
	names []string // usernames, for revocation
}

// newSet returns what the provider of cfg gave as it is offered. Nothing that clients could use is
// an error.
func newSet(given provider.Set, cfg *config.Provider) (*Set, error) {
	out := &Set{Set: given}
	var groups, down []*xep0215.Group
	seen := map[xep0215.Key]bool{}
	for _, server := range given.Servers {
		var services []xep0215.Service
		for _, url := range server.URLs {
			s, err := xep0215.ParseURI(url)
			if err != nil || seen[s.Key()] {
				continue
			}
			seen[s.Key()] = true
			services = append(services, s)
		}
		if len(services) == 0 {
			continue
		}
		services = labelled(services, cfg.DisplayName, cfg.Info)
		out.add(server, services)
		groups = append(groups, xep0215.NewGroup(fetchedCredential{server, given.Expires}, services...))
		if server.Username != "" {
			restricted := xep0215.Select(services, xep0215.Request{Credentials: []xep0215.Filter{{}}})
			down = append(down, xep0215.NewGroup(expiredCredential{}, restricted...))
			out.names = append(out.names, server.Username)
		}
	}
	if len(groups) == 0 {
		return nil, errors.New("the answer names no server that clients can use")
	}
	out.part, out.down = newPart(groups, true), newPart(down, false)
	return out, nil
}

// add adds services, which share the credential of a server.
func (s *Set) add(server provider.Server, services []xep0215.Service) {
	for _, service := range services {
		if service.Restricted {
			service.Username, service.Password, service.Expires = server.Username, string(server.Password.Reveal()), s.Expires
		}
		s.Services = append(s.Services, service)
	}
}

// expiredCredential stands for a credential that the provider has not renewed. Its
// services count as present, so that a client that asks for them is told to try again
// later, not that there are none.
type expiredCredential struct{}

// Issue implements [xep0215.Issuer].
func (expiredCredential) Issue(*turncred.Credential, []byte, time.Time) {}

// fetchedCredential issues what a provider gave.
type fetchedCredential struct {
	server  provider.Server
	expires time.Time
}

// Issue implements [xep0215.Issuer].
func (f fetchedCredential) Issue(c *turncred.Credential, _ []byte, _ time.Time) {
	c.Username = append(c.Username[:0], f.server.Username...)
	c.Password = append(c.Password[:0], f.server.Password.Reveal()...)
	c.Expires = f.expires
}

package source

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/xmltext"
	"extdisco/turncred"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// Set is what a provider gave, as it is offered.
type Set struct {
	Services []xep0215.Service // with their credentials
	Expires  time.Time

	groups []*xep0215.Group
	down   []*xep0215.Group // the same TURN servers without a credential, for when it has expired
	names  []string         // usernames, for revocation

	fetched time.Time
	until   time.Time // it is given out
}

// newSet checks what a provider gave. URLs that clients cannot use are left out; a
// credential that XML cannot carry, or nothing usable, is an error.
func newSet(given provider.Set) (*Set, error) {
	out := &Set{Expires: given.Expires}
	seen := map[xep0215.Key]bool{}
	var refused []string
	for _, server := range given.Servers {
		if !xmltext.IsValid(server.Username) || !xmltext.IsValid(server.Password) ||
			len(server.Username) > config.MaxCredential || len(server.Password) > config.MaxCredential {
			return nil, errors.New("the answer holds a username or password that cannot be sent to clients")
		}
		var services []xep0215.Service
		for _, url := range server.URLs {
			s, err := xep0215.ParseURI(url)
			if err != nil {
				refused = append(refused, fmt.Sprintf("%.100q %v", url, err))
				continue
			}
			if !seen[s.Key()] {
				seen[s.Key()] = true
				services = append(services, s)
			}
		}
		if len(services) > 0 {
			out.add(server, services)
		}
	}
	if len(out.groups) == 0 {
		return nil, fmt.Errorf("the answer names no server that clients can use: %s", strings.Join(refused, "; "))
	}
	return out, nil
}

// add adds services that share the credential of a server.
func (s *Set) add(server provider.Server, services []xep0215.Service) {
	for _, service := range services {
		if service.Restricted {
			service.Username, service.Password, service.Expires = server.Username, server.Password, s.Expires
		}
		s.Services = append(s.Services, service)
	}
	s.groups = append(s.groups, xep0215.NewGroup(fetchedCredential{server, s.Expires}, services...))
	if server.Username != "" {
		restricted := xep0215.Select(services, xep0215.Request{Credentials: []xep0215.Filter{{}}})
		s.down = append(s.down, xep0215.NewGroup(expiredCredential{}, restricted...))
		s.names = append(s.names, server.Username)
	}
}

// isGood reports whether the set is given out at now.
func (s *Set) isGood(now time.Time) bool { return s != nil && !now.After(s.until) }

// isNearExpiry reports whether the set should have been renewed by now, which is
// first tried at half of its life.
func (s *Set) isNearExpiry(now time.Time) bool {
	return s != nil && s.Expires.Sub(now) < s.Expires.Sub(s.fetched)/4
}

// expiredCredential stands for a credential that the provider has not renewed. Its
// services count as present, so that whoever asks for them is told to come back and
// not that there are none.
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
	c.Password = append(c.Password[:0], f.server.Password...)
	c.Expires = f.expires
}

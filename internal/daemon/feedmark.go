package daemon

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"extdisco/internal/config"
)

// markTime is when the credentials are made that go into a mark. Any fixed time
// would do.
var markTime = time.Unix(1, 0)

// mark stands for everything that the offer to a host is made of: servers, secrets,
// lifetimes, who is served, for whom servers are chosen, and which of them are hidden, down
// or missing at present. It is
// the same after a restart with the same configuration. Credentials that a provider
// renews do not change it, nor does a renewed secret of the relay. A secret that has rotated does: open
// sessions are given credentials of the new one long before the old one is removed. It is keyed by the
// secrets that go into it, so that it tells nothing about them that a credential does not.
func (o *offer) mark(host []byte, now time.Time) string {
	h := hmac.New(sha256.New, []byte(nsFeed))
	fmt.Fprintf(h, "%q %q\n", allowedAt(o.cfg, string(host)), o.cfg.Access.Deny)
	if o.choice != nil {
		fmt.Fprintf(h, "%d", o.cfg.Offer.Servers)
		if o.choice.countries != nil {
			fmt.Fprintf(h, " %v", o.choice.countries.Built().Unix())
		}
		fmt.Fprintln(h)
	}
	for i, s := range o.sources {
		server := o.servers[i]
		provider, isRelay := server.Provider, server.Key == config.RelayKey
		fmt.Fprintf(h, "%q %q\n", server.Name, server.Info)
		if provider != nil {
			fmt.Fprintf(h, "provider %x\n", provider.Fingerprint)
		}
		if o.choice != nil {
			fmt.Fprintf(h, "%v %d\n", server.Choice, (*o.choice.fitness.Load())[i])
		}
		part := s.Part(host, now)
		if part == nil {
			continue
		}
		for _, g := range part.Groups {
			services, _ := g.Services(host, markTime)
			for _, v := range services {
				fmt.Fprintf(h, "%q\n", fmt.Sprint(v.Key()))
				switch {
				case isRelay: // its secret is renewed, and credentials of the one before stay good
					fmt.Fprintf(h, "%q %d\n", v.Username, v.Expires.Unix())
				case provider == nil:
					fmt.Fprintf(h, "%q %q %d\n", v.Username, v.Password, v.Expires.Unix())
				}
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// allowedAt returns who is served at the server of a host, as far as that is known: without
// the hosts of other servers. So a link that comes or goes does not change the lists of the
// others.
func allowedAt(cfg *config.Config, host string) []string {
	var here, elsewhere []string
	for _, c := range cfg.Components {
		if slices.Contains(c.Hosts, host) {
			here = append(here, c.Hosts...)
		} else {
			elsewhere = append(elsewhere, c.Hosts...)
		}
	}
	if len(here) == 0 { // the server writes its name in another way
		return cfg.Access.Allow
	}
	return slices.DeleteFunc(slices.Clone(cfg.Access.Allow), func(address string) bool {
		return slices.Contains(elsewhere, address) && !slices.Contains(here, address)
	})
}

package daemon

import (
	"context"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// webWait is how long a request over HTTP waits for a provider.
const webWait = 10 * time.Second

// webBackend shows the state of the daemon and gives credentials over HTTP. It
// implements [web.Backend].
type webBackend struct {
	*state
	offers *offers
	gate   *gate
	audits audits
}

// Gave implements [web.Backend].
func (b webBackend) Gave(endpoint, outcome string) { b.metrics.Gave(endpoint, outcome) }

// Credentials implements [web.Backend]. The user of a client is a requester like any
// other, and the client is its domain.
func (b webBackend) Credentials(ctx context.Context, client, user string, now time.Time) ([]web.ICEServer, error) {
	requester := []byte(client + "/" + user) // has a slash, as no bare JID has
	fetcher := requester
	if user == "" { // as in the feed: a provider is asked once for all of them
		requester, fetcher = anonymousAt([]byte(client)), []byte(client)
	}
	o := b.offers.now()
	if over := o.limiter.Over(requester, []byte(client), now); over != limit.None {
		b.gate.limited(over, requester, now)
		return nil, web.ErrLimited
	}
	wait(ctx, o, fetcher, now)
	return b.iceServers(o.groups(fetcher, time.Now()), requester, "http", now)
}

// Trial implements [web.Backend].
func (b webBackend) Trial(ctx context.Context, now time.Time) ([]web.ICEServer, error) {
	fetcher := []byte("status page")
	o := b.offers.now()
	wait(ctx, o, fetcher, now)
	return b.iceServers(o.forTrial(fetcher, time.Now()), anonymousAt(fetcher), "status page", now)
}

// wait waits until the sources are ready or have given up.
func wait(ctx context.Context, o *offer, requester []byte, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, webWait)
	defer cancel()
	for _, ready := range o.prepare(requester, now) {
		select {
		case <-ready:
		case <-ctx.Done():
			return
		}
	}
}

// iceServers returns the groups with credentials of the requester.
func (b webBackend) iceServers(groups []*xep0215.Group, requester []byte, route string, now time.Time) ([]web.ICEServer, error) {
	audit := b.audits.of(route)
	var servers []web.ICEServer
	for _, g := range groups {
		services, credential := g.Services(requester, now)
		if credential != nil {
			audit(requester, credential)
		}
		for _, s := range xep0215.RTCIceServers(services) {
			server := web.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential}
			if s.Username != "" {
				server.Expires = credential.Expires
			}
			servers = append(servers, server)
		}
	}
	if len(servers) == 0 {
		return nil, web.ErrUnavailable
	}
	return servers, nil
}

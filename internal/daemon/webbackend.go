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
	name := []byte(client + "/" + user) // has a slash, as no bare JID has
	fetcher := name
	if user == "" { // as in the feed: a provider is asked once for all of them
		name, fetcher = anonymousAt([]byte(client)), []byte(client)
	}
	o := b.offers.now()
	if over := o.limiter.Over(name, []byte(client), now); over != limit.None {
		b.gate.limited(over, name, now)
		return nil, web.ErrLimited
	}
	who := requester{name: name, fetcher: fetcher}
	wait(ctx, o.prepare(who, now))
	s := o.selection()
	defer o.done(s)
	return b.iceServers(o.groups(s, who, time.Now()), name, "http", now)
}

// Trial implements [web.Backend].
func (b webBackend) Trial(ctx context.Context, now time.Time) ([]web.ICEServer, error) {
	fetcher := []byte("status page")
	o := b.offers.now()
	wait(ctx, o.prepareAll(fetcher, now))
	return b.iceServers(o.forTrial(fetcher, time.Now()), anonymousAt(fetcher), "status page", now)
}

// wait waits until all channels are closed.
func wait(ctx context.Context, open []<-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, webWait)
	defer cancel()
	for _, ready := range open {
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

// Package source puts one [[ice_server]] to work: services with a credential for
// each requester (XEP-0215). Whether a credential is made here or comes from a
// provider, those who ask see one interface.
package source

import (
	"time"

	"extdisco/xep0215"
)

// Source is one [[ice_server]] at work. Its methods may be called from several
// goroutines at once, except Close.
type Source interface {
	// Part returns what is offered to the requester, named by its bare JID; nil for
	// nothing at present.
	Part(requester []byte, now time.Time) *Part
	// Prepare returns a channel that is closed once Part has something to say
	// for the requester, or nil if it has already.
	Prepare(requester []byte, now time.Time) <-chan struct{}
	// Good reports whether there is something to offer at now.
	Good(now time.Time) bool
	// Status says how the source is doing.
	Status(now time.Time) Status
	// ForTrial returns a source of the same services whose credentials live for
	// [TrialTTL] where that can be chosen. It need not be closed.
	ForTrial() Source
	// Close ends what runs for the source and waits for it. At the exit of the
	// program, credentials are revoked if the configuration says so; after a
	// reload, calls that use them go on.
	Close(exit bool)
}

// TrialTTL is how long a credential lives with which the status page tries the
// relays.
const TrialTTL = 5 * time.Minute

// Status is a snapshot of a source. It holds no credential.
type Status struct {
	Key      string // the place in the configuration: "ice_server[0]"
	Services []Service
	Provider *ProviderStatus // nil for a source without one
}

// Service is an offered service.
type Service struct {
	Key         xep0215.Key
	URI         string
	Credentials string // what kind of credentials clients get for it
}

// ProviderStatus is how the requests to a provider went.
type ProviderStatus struct {
	Name       string // "cloudflare", "http", …
	PerUser    bool
	Succeeded  uint64
	Failed     uint64
	Error      string    // why the last request failed; empty if it did not
	Fetched    time.Time // when the set in use was fetched; zero for none
	Expires    time.Time // when the set in use expires; zero for none
	Notes      []string  // what of the last answer was repaired or left out, and why
	Good       bool      // whether the set in use is given out
	NearExpiry bool      // whether the set in use should have been renewed by now
}

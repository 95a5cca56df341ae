package web

import "time"

// Status is what the page shows. It holds no secret, and nobody's address.
type Status struct {
	Version string
	Started time.Time
	Now     time.Time
	Unready string // why requests cannot be answered; empty when they can

	Link      Link
	Config    Reading
	Relays    []Relay
	Checks    bool // whether the relays are checked continuously
	Providers []Provider
	Hour      []Minute  // the last hour, the oldest first
	Problems  []Problem // the latest first
}

// Link is the connection to the XMPP server.
type Link struct {
	Up     bool
	Since  time.Time // when that became so
	JID    string
	Server string
	// Why there is none, and what to do.
	Problem, Cure, Error string
}

// Reading is the last time that the configuration was read.
type Reading struct {
	File string
	At   time.Time
	OK   bool
}

// Health is what is known of a relay.
type Health string

// The values of Health.
const (
	Unknown   Health = "not checked"
	Undecided Health = "not known yet"
	Healthy   Health = "works"
	Impaired  Health = "works, but see to it"
	Sick      Health = "does not work"
	Refusing  Health = "refuses our credentials"
)

// Relay is a STUN or TURN server of the configuration.
type Relay struct {
	URL         string
	Credentials string // what kind it has, such as "shared secret, 24h"
	Health      Health
	Detail      string    // what was measured, or what is wrong
	Cure        string    // what to do about that
	Checked     time.Time // zero when never
}

// Provider is who gives relays and credentials over HTTP.
type Provider struct {
	Name    string
	Config  string // where it stands in the configuration
	OK      bool   // there is something to give out
	Asked   bool   // it was asked since the start
	PerUser bool   // it is asked for each requester

	Fetched, Expires time.Time // of what is given out; zero when there is nothing
	Error            string    // of the last request, if that failed
}

// Minute is how many requests there were in one.
type Minute struct{ Answered, Refused, Failed int }

// Problem is a warning or an error from the log.
type Problem struct {
	First, Last time.Time
	Times       int
	IsError     bool
	Message     string
	Cure        string
	Details     string
}

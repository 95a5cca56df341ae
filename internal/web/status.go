package web

import "time"

// Status is what the page shows. It holds no secret, and no user's address.
type Status struct {
	Version string
	Started time.Time
	Now     time.Time
	Unready string // why requests cannot be answered; empty when they can

	Links []Link // none where a relay is for credentials that are made elsewhere
	// LostTURN is since when no TURN server is on offer although the configuration
	// has some; zero while there is one, or none is configured.
	LostTURN  time.Time
	Config    Reading
	Relays    []Relay
	Relay     *OwnRelay // nil where no relay is meant to run in this process
	Checks    bool      // whether the relays are checked continuously
	Providers []Provider
	Rotations []Rotation
	Hour      []Minute  // the last hour, oldest first
	Refused   []Refusal // requesters that were not served, latest first
	Problems  []Problem // latest first
}

// Link is the connection to an XMPP server.
type Link struct {
	Name string
	Up   bool
	// Standby is set when it is down because the XMPP server has another connection.
	Standby bool
	Since   time.Time // of the present state; zero when there was no connection yet
	JID     string
	Server  string
	// Why there is none, and what to do.
	Problem, Cure, Error string
	Hosts                []Host
}

// Host is a host whose users' requests the XMPP server should forward.
type Host struct {
	Name     string
	Forwards bool
	How      string    // how it forwards: "delegation", "bridge"; empty when it does not
	Since    time.Time // of the present state; zero while that is not known yet
	Cure     string    // what to do when it does not
}

// Reading is the last reading of the configuration.
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
	Undecided Health = "trying again" // the last checks failed, but too few to tell
	Healthy   Health = "works"
	Impaired  Health = "works, needs attention"
	Sick      Health = "does not work"
	Refusing  Health = "refuses our credentials"
)

// Relay is a STUN or TURN server of the configuration.
type Relay struct {
	URL         string
	Credentials string // what kind it has, such as "shared secret, 24h"
	Health      Health
	Failures    int       // checks in a row that failed, when Undecided
	Detail      string    // what was measured, or what is wrong
	Cure        string    // what to do about that
	Checked     time.Time // zero when never
}

// OwnRelay is the relay in this process.
type OwnRelay struct {
	Off                bool     // it should run and does not; nothing else is known
	Addresses          []string // that allocations have
	Transports         []OwnRelayTransport
	Users              int // who have an allocation
	Ports, PortsInUse  int
	Draining           bool
	SmallBuffer        int       // bytes that the system grants a socket, if that is less than wanted; else 0
	CertificateExpires time.Time // zero without TLS
	CertificateError   string    // why the files could not be read again
}

// Allocations returns how many there are.
func (r OwnRelay) Allocations() int {
	n := 0
	for _, t := range r.Transports {
		n += t.Allocations
	}
	return n
}

// OwnRelayTransport is the traffic of clients that come over one transport.
type OwnRelayTransport struct {
	Name              string // "udp", "tcp", "tls"
	Allocations       int
	BytesIn, BytesOut uint64 // from clients and to them, since the start
}

// Provider is a service that gives relays and credentials over HTTP.
type Provider struct {
	Name    string
	Config  string // the place in the configuration
	OK      bool   // there is something to give out
	Asked   bool   // it was asked since the start
	PerUser bool   // it is asked for each requester

	Fetched, Expires time.Time // of what is given out; zero when there is nothing
	Error            string    // of the last request, if that failed
}

// Rotation is a shared secret that rotates by itself.
type Rotation struct {
	Config  string    // the place in the configuration
	Kind    string    // of database: "postgres"
	Realm   string    // of the TURN server
	Rotated time.Time // when the newest secret was made; zero while none is known
	Next    time.Time // when the next one is due; zero while none is known
	Waiting bool      // the newest secret is not in use yet
	Looked  time.Time // when the database answered last; zero for never

	Error, Cure string // why it does not answer, and what to do
	Note        string // what needs attention although it does
}

// Minute is how many requests there were in a minute.
type Minute struct{ Answered, Refused, Failed int }

func (m Minute) total() int { return m.Answered + m.Refused + m.Failed }

// Refusal is requesters of a domain that were not served. Users are not named.
type Refusal struct {
	Domain string
	Reason string // such as "not in access.allow"
	Cure   string
	Times  int
	Last   time.Time
}

// Problem is a warning or an error from the log.
type Problem struct {
	First, Last time.Time
	Times       int
	IsError     bool
	Message     string
	Cure        string
	Details     string
	Link        string // whose problem it is, by its name; empty for all
}

package metrics

import (
	"sync/atomic"
	"time"
)

// Link is a link to an XMPP server.
type Link struct {
	Name string
	Up   bool
	// Standby is set when it is down because the server has another instance's connection.
	Standby bool
	Since   time.Time // when that became so; zero before the first connection
	Counts  *LinkCounts
}

// LinkCounts are the counters of a link. They may be used by several goroutines at once.
type LinkCounts struct {
	Connects, Disconnects, FailedAttempts atomic.Uint64
	Answers                               atomic.Uint64
}

func (l Link) labels() []string { return []string{"link", l.Name} }

func writeLinks(t *text, links []Link) {
	count := func(name, help string, of func(*LinkCounts) *atomic.Uint64) {
		each(t, links, "link_"+name, counter, help, func(l Link) (float64, bool) { return load(of(l.Counts)), true })
	}
	each(t, links, "link_up", gauge, "Whether there is a connection to the XMPP server.", func(l Link) (float64, bool) { return number(l.Up), true })
	each(t, links, "link_standby", gauge, "Whether the link stands by: the XMPP server has a connection for the component already.", func(l Link) (float64, bool) { return number(l.Standby), true })
	each(t, links, "link_changed_timestamp_seconds", gauge, "When the connection to the XMPP server was made or lost.", func(l Link) (float64, bool) { return unixSeconds(l.Since), !l.Since.IsZero() })
	count("connects_total", "Connections to the XMPP server that were accepted.", func(c *LinkCounts) *atomic.Uint64 { return &c.Connects })
	count("disconnects_total", "Connections to the XMPP server that ended, closed by either side.", func(c *LinkCounts) *atomic.Uint64 { return &c.Disconnects })
	count("failed_attempts_total", "Attempts to connect to the XMPP server that failed.", func(c *LinkCounts) *atomic.Uint64 { return &c.FailedAttempts })
	count("answers_total", "Requests for services or credentials that came over the link and were answered.", func(c *LinkCounts) *atomic.Uint64 { return &c.Answers })
}

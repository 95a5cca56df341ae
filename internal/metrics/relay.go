package metrics

import (
	"maps"
	"slices"
	"time"
)

// Relay is the state of the relay in this process.
type Relay struct {
	Off                bool // it should run and does not; nothing else is known
	Transports         []RelayTransport
	Refused            map[string]uint64 // requests, packets and connections, by reason
	Users              int               // who have an allocation
	Connections        int               // over TCP and TLS
	Ports, PortsInUse  int
	CertificateExpires time.Time // zero without TLS
}

// RelayTransport is the traffic of the relay's clients that come over one transport.
type RelayTransport struct {
	Name                  string // "udp", "tcp", "tls"
	Allocations           int    // now
	Made                  uint64 // ever
	PacketsIn, PacketsOut uint64 // from clients and to them, without the headers of TURN
	BytesIn, BytesOut     uint64
}

func (r *Relay) write(t *text) {
	t.single(prefix+"relay_up", gauge, "Whether the relay of this process runs.", number(!r.Off))
	if r.Off {
		return
	}
	by := func(name, kind, help string, value func(RelayTransport) float64) {
		t.family(prefix+"relay_"+name, kind, help)
		for _, transport := range r.Transports {
			t.sample(prefix+"relay_"+name, value(transport), "transport", transport.Name)
		}
	}
	both := func(name, help string, in, out func(RelayTransport) uint64) {
		t.family(prefix+"relay_"+name, counter, help)
		for _, transport := range r.Transports {
			t.sample(prefix+"relay_"+name, float64(in(transport)), "direction", "from_client", "transport", transport.Name)
			t.sample(prefix+"relay_"+name, float64(out(transport)), "direction", "to_client", "transport", transport.Name)
		}
	}
	by("allocations", gauge, "Allocations of the relay at present.", func(r RelayTransport) float64 { return float64(r.Allocations) })
	by("allocations_made_total", counter, "Allocations that the relay has made.", func(r RelayTransport) float64 { return float64(r.Made) })
	both("packets_total", "Packets that were relayed.", func(r RelayTransport) uint64 { return r.PacketsIn }, func(r RelayTransport) uint64 { return r.PacketsOut })
	both("bytes_total", "Bytes that were relayed, without the headers of TURN.", func(r RelayTransport) uint64 { return r.BytesIn }, func(r RelayTransport) uint64 { return r.BytesOut })
	t.family(prefix+"relay_refused_total", counter, "Requests, packets and connections that the relay refused or dropped, by reason.")
	for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
		t.sample(prefix+"relay_refused_total", float64(r.Refused[reason]), "reason", reason)
	}
	t.single(prefix+"relay_users", gauge, "Users who have an allocation at the relay.", float64(r.Users))
	t.single(prefix+"relay_connections", gauge, "Connections of clients over TCP and TLS.", float64(r.Connections))
	t.single(prefix+"relay_ports", gauge, "Ports that the relay can give to allocations.", float64(r.Ports))
	t.single(prefix+"relay_ports_in_use", gauge, "Ports of the relay that allocations have.", float64(r.PortsInUse))
	if !r.CertificateExpires.IsZero() {
		t.single(prefix+"relay_certificate_expiry_timestamp_seconds", gauge, "When the relay's certificate expires.", unixSeconds(r.CertificateExpires))
	}
}

package metrics_test

import (
	"strings"
	"testing"

	"extdisco/internal/metrics"
)

func TestRelay(t *testing.T) {
	text := read(t, newMetrics(metrics.State{Relay: &metrics.Relay{
		Transports: []metrics.RelayTransport{
			{Name: "udp", Allocations: 3, Made: 7, PacketsIn: 10, PacketsOut: 20, BytesIn: 1000, BytesOut: 2000}, {Name: "tls", Allocations: 1, Made: 1},
		},
		Refused: map[string]uint64{"per_user": 4, "bandwidth": 5}, Users: 2, Connections: 6, Ports: 16384, PortsInUse: 4, CertificateExpires: at,
	}}))
	wantLines(t, text,
		`extdisco_relay_allocations{transport="udp"} 3`, `extdisco_relay_allocations{transport="tls"} 1`, `extdisco_relay_allocations_made_total{transport="udp"} 7`,
		`extdisco_relay_packets_total{direction="from_client",transport="udp"} 10`, `extdisco_relay_packets_total{direction="to_client",transport="udp"} 20`,
		`extdisco_relay_bytes_total{direction="from_client",transport="udp"} 1000`, `extdisco_relay_bytes_total{direction="to_client",transport="udp"} 2000`,
		`extdisco_relay_refused_total{reason="bandwidth"} 5`, `extdisco_relay_refused_total{reason="per_user"} 4`,
		`extdisco_relay_users 2`, `extdisco_relay_connections 6`, `extdisco_relay_ports 16384`, `extdisco_relay_ports_in_use 4`,
		`extdisco_relay_certificate_expiry_timestamp_seconds 1.8e+09`)
	wantLines(t, text, "extdisco_relay_up 1")
	off := read(t, newMetrics(metrics.State{Relay: &metrics.Relay{Off: true}}))
	wantLines(t, off, "extdisco_relay_up 0")
	if strings.Contains(off, "extdisco_relay_ports") || strings.Contains(off, "extdisco_link_up") {
		t.Errorf("a relay that is off has ports, or there is a link where none is to be: %s", off)
	}
	if text := read(t, newMetrics(metrics.State{})); strings.Contains(text, "extdisco_relay") {
		t.Errorf("there are metrics of a relay that does not run: %s", text)
	}
}

package setup

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// natAddress is one that a NAT maps to an address that every machine has.
const natAddress = "203.0.113.5/127.0.0.1"

// addresses are those of a machine, with their networks.
func addresses(list ...string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, a := range list {
		prefixes = append(prefixes, netip.MustParsePrefix(a))
	}
	return prefixes
}

// TestRelayNames says how to go on behind NAT, and needs no public_ip elsewhere.
func TestRelayNames(t *testing.T) {
	o := options(newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+"VirtualHost \"example.org\"\n", "etc/prosody/conf.d/x.cfg.lua", ""))
	o.Relay, o.Interfaces = true, addresses("10.0.0.5/24")
	if _, err := Find(o); err == nil || !strings.HasSuffix(err.Error(), "; name that address with --public-ip ADDRESS") {
		t.Errorf("behind NAT: %v", err)
	}
	o.Interfaces = addresses("10.0.0.5/24", "8.8.4.4/24")
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	if text := readBelow(t, o.Root, configFile); !strings.HasSuffix(text, "\n\n[relay]\nhost = \"example.org\"\n") {
		t.Error(text)
	}
}

// TestRelayPort finds a program at the relay's port, over UDP and over TCP.
func TestRelayPort(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, taken := range []net.Addr{packets.LocalAddr(), listener.Addr()} {
		if err := CheckRelayPort(taken.String()); err == nil || !strings.Contains(err.Error(), "which the relay needs: stop it") {
			t.Errorf("%s: %v", taken.Network(), err)
		}
	}
	_, _ = packets.Close(), listener.Close()
	// Any port that is free: one that was given back may be somebody else's by now.
	if err := CheckRelayPort("127.0.0.1:0"); err != nil {
		t.Errorf("free: %v", err)
	}
}

package geoip

import (
	"net/netip"
	"strings"
	"testing"

	"extdisco/internal/testkit"

	"github.com/oschwald/maxminddb-golang/v2"
)

func TestCountry(t *testing.T) {
	d, err := New([]byte(testkit.Countries(t, map[string]string{
		"192.0.2.0/24": "DE", "198.51.100.0/24": "FR", "198.51.100.128/25": "", "2001:db8::/32": "JP",
	})))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"192.0.2.1": "DE", "192.0.2.255": "DE", "198.51.100.1": "FR", "198.51.100.200": "", "203.0.113.1": "",
		"2001:db8::1": "JP", "2001:db9::1": "", "::ffff:192.0.2.1": "DE",
	} {
		for range 2 { // the second time it is known
			if got := d.Country(netip.MustParseAddr(address)); got.String() != want {
				t.Errorf("%s is in %q, want %q", address, got, want)
			}
		}
	}
	if d.Country(netip.Addr{}) != (Country{}) {
		t.Error("no address has a country")
	}
	if !d.Built().Equal(testkit.Time) {
		t.Error(d.Built())
	}
	here := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() { d.Country(here) }); n != 0 {
		t.Errorf("%v allocations for an address", n)
	}
}

func TestNotADatabase(t *testing.T) {
	for name, tt := range map[string]struct{ content, want string }{
		"text":         {"GeoLite2", "is no database in MaxMind's format"},
		"no countries": {testkit.Countries(t, map[string]string{"192.0.2.0/24": ""}), "names no countries"},
		"cut off":      {testkit.Countries(t, map[string]string{"192.0.2.0/24": "DE"})[100:], ""},
	} {
		if _, err := New([]byte(tt.content)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where both branches of each node lead to the next one, there are more networks than anybody can
// look at, and none has a country.
func TestDamagedTree(t *testing.T) {
	content := []byte(testkit.Countries(t, map[string]string{"192.0.2.0/24": "DE"}))
	r, err := maxminddb.OpenBytes(content)
	if err != nil || r.Metadata.RecordSize != 28 || r.Metadata.NodeCount > 255 {
		t.Fatalf("%v, %+v", err, r.Metadata)
	}
	for i := range r.Metadata.NodeCount {
		next := byte(r.Metadata.NodeCount) // nothing
		if i < 60 {
			next = byte(i + 1)
		}
		copy(content[i*7:], []byte{0, 0, next, 0, 0, 0, next})
	}
	if _, err := New(content); err == nil || err.Error() != "names no countries" {
		t.Error(err)
	}
}

func TestParseCountry(t *testing.T) {
	for text, want := range map[string]string{"DE": "DE", "de": "DE", "": "", "D": "", "DEU": "", "D1": "", "Ä": ""} {
		if c, ok := ParseCountry(text); c.String() != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", text, c, ok)
		}
	}
}

// FuzzDatabase reads whatever a file may hold.
func FuzzDatabase(f *testing.F) {
	f.Add([]byte(testkit.Countries(f, map[string]string{"192.0.2.0/24": "DE", "2001:db8::/32": "JP"})))
	f.Fuzz(func(_ *testing.T, content []byte) {
		if d, err := New(content); err == nil {
			d.Country(netip.MustParseAddr("192.0.2.1"))
			d.Country(netip.MustParseAddr("2001:db8::1"))
		}
	})
}

//go:build !race

package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

// The race detector has pools drop what they are given.
func TestChoosingAllocatesNothing(t *testing.T) {
	dir := testkit.WriteFiles(t, "countries.mmdb", testkit.Countries(t, map[string]string{"198.51.100.0/24": "DE"}))
	text := strings.Replace(fleetConfig(2, "a", `networks = ["2001:db8::/32"]`, "b", `countries = ["DE"]`, "d", "weight = 3\ndomains = [\"eu.example.org\"]"),
		"[offer]\n", "[offer]\ngeoip_file = \""+dir+"/countries.mmdb\"\n", 1)
	d := quietDaemon(t, text)
	defer d.close()
	const list, credentials = "<services xmlns='urn:xmpp:extdisco:2'/>", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a.example.org'/></credentials>"
	for name, tt := range map[string]struct{ payload, address string }{
		"list": {list, ""}, "list, near a network": {list, "2001:db8::1"}, "list, in a country": {list, "198.51.100.1"}, "credentials": {credentials, ""},
	} {
		r := &component.Request{NS: xep0215.NS, Requester: []byte("alice@example.org"), Now: testkit.Time, Value: d.offers.now()}
		if tt.address != "" {
			r.Address = netip.MustParseAddr(tt.address)
		}
		dst, payload := make([]byte, 0, 1<<16), []byte(tt.payload)
		now := testkit.Time
		if n := testing.AllocsPerRun(200, func() {
			now = now.Add(time.Second)
			r.Now = now
			if d.handle.discovery.Prepare(r) != nil {
				t.Fatal("has to wait")
			}
			if _, err := d.handle.discovery.AppendFast(dst, payload, r); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkChoice(b *testing.B) {
	for name, keys := range map[string][]string{"everything": nil, "two of four": {"a", "weight = 2"}} {
		b.Run(name, func(b *testing.B) {
			d := fleetOf(b, 2*min(len(keys), 1), keys...)
			defer d.close()
			r := &component.Request{NS: xep0215.NS, Requester: []byte("alice@example.org"), Now: testkit.Time, Value: d.offers.now()}
			dst, payload := make([]byte, 0, 1<<16), []byte("<services xmlns='urn:xmpp:extdisco:2'/>")
			for b.Loop() {
				if _, err := d.handle.discovery.AppendFast(dst, payload, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

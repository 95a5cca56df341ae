package testkit

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Countries returns a database of the countries of networks, in the form of MaxMind's
// GeoLite2-Country.
func Countries(t testing.TB, countries map[string]string) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", IncludeReservedNetworks: true, BuildEpoch: Time.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	prefixLength := func(a, b string) int { return netip.MustParsePrefix(a).Bits() - netip.MustParsePrefix(b).Bits() }
	for _, text := range slices.SortedFunc(maps.Keys(countries), prefixLength) { // a network replaces those in it
		code := countries[text]
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		record := mmdbtype.Map{"continent": mmdbtype.Map{"code": mmdbtype.String("EU")}}
		if code != "" {
			record["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("somewhere")}}
		}
		if err := tree.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Package geoip tells the country of an IP address from a database in MaxMind's format (MaxMind DB
// file format 2.0), such as GeoLite2-Country.mmdb.
package geoip

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Country is a country by its two capital letters (ISO 3166-1 alpha-2). The zero value stands for
// none.
type Country [2]byte

// ParseCountry reads a country, in capitals or not.
func ParseCountry(s string) (Country, bool) {
	var c Country
	if len(s) != len(c) {
		return c, false
	}
	for i := range c {
		letter := s[i] &^ 0x20
		if letter < 'A' || letter > 'Z' {
			return Country{}, false
		}
		c[i] = letter
	}
	return c, true
}

// String returns the two letters; nothing for none.
func (c Country) String() string {
	if c == (Country{}) {
		return ""
	}
	return string(c[:])
}

// Database is a database that was read. It is safe for concurrent use.
type Database struct {
	reader *maxminddb.Reader

	mu    sync.RWMutex
	known map[uintptr]Country // by where the record stands: many networks share one
}

// maxKnown bounds the records that are remembered. A database of countries has some hundreds.
const maxKnown = 4096

// looksAt is how many networks of a database are looked at for a country.
const looksAt = 10_000

// New reads the content of a database file, which must not change afterwards. One that names no
// countries is an error.
func New(content []byte) (*Database, error) {
	r, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("is no database in MaxMind's format: %w", err)
	}
	d := &Database{reader: r, known: map[uintptr]Country{}}
	looked := 0
	for network := range r.Networks(maxminddb.IncludeNetworksWithoutData()) { // or a damaged tree is searched for ever
		if countryIn(network) != (Country{}) {
			return d, nil
		}
		if looked++; looked == looksAt {
			break
		}
	}
	return nil, errors.New("names no countries")
}

// Built returns when the database was made.
func (d *Database) Built() time.Time { return d.reader.Metadata.BuildTime() }

// Country returns the country that an address is used in; none where that is not known. For an address that it was
// asked for before, or one with the same record, it allocates nothing.
func (d *Database) Country(a netip.Addr) Country {
	if !a.IsValid() {
		return Country{}
	}
	found := d.reader.Lookup(a)
	if !found.Found() {
		return Country{}
	}
	d.mu.RLock()
	c, known := d.known[found.Offset()]
	d.mu.RUnlock()
	if known {
		return c
	}
	c = countryIn(found)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[found.Offset()] = c
	return c
}

// countryIn returns the country of a record: where the address is used, else where it is
// registered. The last form is that of databases of other vendors.
func countryIn(r maxminddb.Result) Country {
	for _, path := range [][]any{{"country", "iso_code"}, {"registered_country", "iso_code"}, {"country_code"}} {
		var code string
		if r.DecodePath(&code, path...) != nil {
			continue
		}
		if c, ok := ParseCountry(code); ok {
			return c
		}
	}
	return Country{}
}

package config

import (
	"net/netip"
	"slices"
	"strings"

	"extdisco/internal/geoip"
	"extdisco/xep0215"
)

// Offer is [offer]: how much of all servers one answer has.
type Offer struct {
	Servers   int             // how many servers with TURN an answer has at most; 0 for all, the default
	Countries *geoip.Database // where addresses are; nil for none
}

// Choice is for whom a server is chosen.
type Choice struct {
	Weight    int             // how often it is chosen, relative to the others; default: 1
	Domains   []string        // whose requesters it is for; none for all
	Networks  []netip.Prefix  // where those are for whom it is near
	Countries []geoip.Country // likewise
}

const (
	maxWeight  = 1000
	maxOffered = 100 // servers; more make no answer
	// maxGeoIP bounds geoip_file, in bytes. GeoLite2-City has 60 MiB.
	maxGeoIP = 256 << 20
)

// choiceKeys are what is not about the server itself.
var choiceKeys = []string{"weight", "domains", "networks", "countries"}

func readOffer(t *table) Offer {
	defer t.unknown()
	o := Offer{Servers: t.whole("servers", 1, maxOffered, 0)}
	if content, file, ok := t.fileOf("geoip_file", maxGeoIP); ok {
		database, err := geoip.New(content)
		if err != nil {
			t.fault("geoip_file", "%s %v; name a database of countries, such as GeoLite2-Country.mmdb", file, err)
		}
		o.Countries = database
	}
	return o
}

// readChoice reads the keys that say for whom the server of the table is.
func readChoice(t *table) Choice {
	c := Choice{Weight: t.whole("weight", 0, maxWeight, 1)}
	t.eachString("domains", func(key, entry string) {
		domain, ok := readAddress(t, key, entry)
		if ok && strings.Contains(domain, "@") {
			t.fault(key, "is not a domain; write it without the user and the @")
		}
		c.Domains = append(c.Domains, domain)
	})
	t.eachString("networks", func(key, entry string) {
		network, ok := readNetwork(entry)
		if !ok {
			t.fault(key, "is neither a network nor an address; write for example \"192.0.2.0/24\" or \"2001:db8::/32\"")
		}
		c.Networks = append(c.Networks, network)
	})
	t.eachString("countries", func(key, entry string) {
		country, ok := geoip.ParseCountry(entry)
		if !ok {
			t.fault(key, "is not a country; write its two letters, such as \"DE\" (ISO 3166-1)")
		}
		c.Countries = append(c.Countries, country)
	})
	return c
}

// readNetwork reads a network, or an address as a network of one.
func readNetwork(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil && !p.Addr().Is4In6()
}

// whole returns a whole number within bounds.
func (t *table) whole(name string, least, most, missing int) int {
	v, ok := t.value(name)
	if !ok {
		return missing
	}
	n, isNumber := v.(int64)
	switch {
	case !isNumber:
		t.fault(name, "is %s; write a whole number without quotes, from %d to %d", kindOf(v), least, most)
	case n < int64(least) || n > int64(most):
		t.fault(name, "is not between %d and %d", least, most)
	default:
		return int(n)
	}
	return missing
}

// answers looks at the answers that a configuration leads to, as far as that is known before the
// providers were asked.
type answers struct {
	root    *table
	offer   Offer
	servers []ICEServer // of the answer, in order
}

// checkAnswers warns of what is wrong with answers as a whole.
func checkAnswers(root *table, cfg *Config) {
	a := answers{root, cfg.Offer, cfg.ICEServers}
	if cfg.Relay.On {
		a.servers = slices.Concat([]ICEServer{{Key: RelayKey, Services: cfg.Relay.Services(), Choice: cfg.Relay.Choice}}, cfg.ICEServers)
	}
	a.checkKeys()
	a.checkSize()
	a.checkDomains(cfg.Access)
}

// table returns the table of a server.
func (a answers) table(s ICEServer) *table {
	values, _ := a.root.values[RelayKey].(map[string]any)
	for _, t := range a.root.tables("ice_server") {
		if t.path == s.Key {
			values = t.values
		}
	}
	return &table{r: a.root.r, path: s.Key, values: values}
}

// checkKeys looks for keys that have no effect without others.
func (a answers) checkKeys() {
	wantsCountries := false
	for _, s := range a.servers {
		t := a.table(s)
		for _, key := range choiceKeys {
			switch {
			case !t.has(key) || key == "domains":
			case a.offer.Servers == 0:
				t.warn(key, "has no effect without offer.servers, which says how many servers each user is given; set it, or remove this")
			case !s.hasTURN():
				t.warn(key, "has no effect on a server without TURN; remove it")
			}
		}
		if len(s.Choice.Countries) > 0 && !a.root.hasIn("offer", "geoip_file") {
			t.fault("countries", "requires offer.geoip_file, which is not set; name a database of the countries of addresses, such as GeoLite2-Country.mmdb, or remove countries")
		}
		wantsCountries = wantsCountries || len(s.Choice.Countries) > 0
	}
	if a.offer.Countries != nil && !wantsCountries {
		a.root.r.warn("offer.geoip_file", "is not used, since no server has countries; set them, or remove it")
	}
}

// hasTURN reports whether the server has TURN, as far as that is known.
func (s ICEServer) hasTURN() bool { return s.Provider != nil || s.relays() > 0 }

// relays returns how many TURN URLs the server has.
func (s ICEServer) relays() int {
	n := 0
	for _, service := range s.Services {
		if service.Restricted {
			n++
		}
	}
	return n
}

func (s ICEServer) overUDP() bool {
	return s.Provider != nil || slices.ContainsFunc(s.Services, func(s xep0215.Service) bool {
		return s.Type == xep0215.TypeTURN && s.Transport == xep0215.TransportUDP
	})
}

// domains returns the domains whose requesters may be answered differently; "" stands for all
// others.
func (a answers) domains() []string {
	domains := []string{""}
	for _, s := range a.servers {
		domains = append(domains, s.Choice.Domains...)
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

// relays returns the servers with TURN that requesters of a domain may be given.
func (a answers) relays(domain string) []ICEServer {
	var list []ICEServer
	for _, s := range a.servers {
		if s.hasTURN() && (len(s.Choice.Domains) == 0 || slices.Contains(s.Choice.Domains, domain)) {
			list = append(list, s)
		}
	}
	return list
}

// manyRelays is how many TURN URLs browsers take without slowing down.
const manyRelays = 4

// checkSize looks at the largest answer, and at the one with the least.
func (a answers) checkSize() {
	largest, someUDP, alwaysUDP, several := 0, false, true, false
	for _, domain := range a.domains() {
		relays := a.relays(domain)
		given := len(relays)
		if a.offer.Servers > 0 {
			given = min(given, a.offer.Servers)
		}
		slices.SortStableFunc(relays, func(x, y ICEServer) int { return y.relays() - x.relays() })
		sum := 0
		for _, s := range relays[:given] {
			sum += s.relays()
		}
		withoutUDP := slices.DeleteFunc(slices.Clone(relays), ICEServer.overUDP)
		someUDP = someUDP || len(withoutUDP) < len(relays)
		alwaysUDP = alwaysUDP && (given == 0 || len(withoutUDP) < given)
		largest, several = max(largest, sum), several || given > 1
	}
	isSet := a.offer.Servers > 0
	switch {
	case largest > manyRelays && !isSet && several:
		a.root.warn("ice_server", "an answer has %d TURN URLs, and browsers connect more slowly with more than %d; keep one each over udp, tcp and TLS, or give each user only some of the servers with offer.servers", largest, manyRelays)
	case largest > manyRelays && !isSet:
		a.root.warn("ice_server", "an answer has %d TURN URLs, and browsers connect more slowly with more than %d; keep one each over udp, tcp and TLS", largest, manyRelays)
	case largest > manyRelays:
		a.root.r.warn("offer.servers", "an answer can have %d TURN URLs, and browsers connect more slowly with more than %d; write a lower number, or keep one each over udp, tcp and TLS", largest, manyRelays)
	}
	switch {
	case alwaysUDP:
	case !someUDP:
		a.root.warn("ice_server", "no TURN URL is over udp, and Dino uses only those; add one, such as \"turn:turn.example.org:3478?transport=udp\"")
	default:
		a.root.warn("ice_server", "some users are given no TURN URL over udp, and Dino uses only those; add one to each server, such as \"turn:turn.example.org:3478?transport=udp\"")
	}
}

// checkDomains looks for users who are served and get no TURN server, while others do.
func (a answers) checkDomains(access Access) {
	if !slices.ContainsFunc(a.servers, ICEServer.hasTURN) {
		return
	}
	told := map[string]bool{}
	for _, address := range access.Allow {
		domain := address[strings.IndexByte(address, '@')+1:]
		if len(a.relays(domain)) == 0 && !told[domain] {
			told[domain] = true
			a.root.warn("ice_server", "every server with TURN is for other domains than %s, which is served; add it to the domains of one", domain)
		}
	}
}

package xep0215

// Matches reports whether the filter names the service: every field that is given
// is equal. Hosts are compared in the form of [CanonicalHost].
func (f Filter) Matches(k Key) bool {
	typeMatches := f.Type == "" || f.Type == k.Type
	hostMatches := f.Host == "" || CanonicalHost(f.Host) == k.Host
	portMatches := f.Port == 0 || f.Port == k.Port
	transportMatches := f.Transport == "" || f.Transport == k.Transport
	return typeMatches && hostMatches && portMatches && transportMatches
}

// Selects reports whether the service that k identifies belongs in the answer to
// the request. A request for credentials never selects a service that has none.
func (r Request) Selects(k Key, restricted bool) bool {
	if len(r.Credentials) == 0 {
		return r.Type == "" || r.Type == k.Type
	}
	if !restricted {
		return false
	}
	for _, f := range r.Credentials {
		if f.Matches(k) {
			return true
		}
	}
	return false
}

// Select returns the services that belong in the answer to the request, each once
// and in the order given.
func Select(services []Service, r Request) []Service {
	var selected []Service
	for _, s := range services {
		if r.Selects(s.Key(), s.Restricted) {
			selected = append(selected, s)
		}
	}
	return selected
}

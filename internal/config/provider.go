package config

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// Provider is an [[ice_server]] whose servers and credentials come from a provider
// over HTTP.
type Provider struct {
	Name         string          // "cloudflare", "http", …
	Key          string          // where it stands: "ice_server[0]"
	DisplayName  Name            // of its services, for people; may be nil
	Info         []xep0215.Field // extended information about each of its services
	API          *provider.API
	RootCAs      *x509.CertPool // the system's and ca_file; nil means the system's
	Timeout      time.Duration  // of one request; default: 5s
	MinRemaining time.Duration  // life that a credential must have left to be given out; default: 10m
	PerUser      bool           // whether each requester gets credentials of its own; default: false
	PerUserRate  limit.Rate     // bounds the requests with PerUser; default: 50 a second
	// Revocation returns the request that takes a username back; nil unless
	// asked for.
	Revocation func(username string) *provider.API
	// Fingerprint is a digest of everything that the table and the files that it
	// names say. Two providers with the same one are the same.
	Fingerprint [sha256.Size]byte
}

// PseudonymKey keys the pseudonyms of requesters by everything that is configured,
// secrets included.
func (p *Provider) PseudonymKey() secret.Secret { return secret.New(string(p.Fingerprint[:])) }

const (
	defaultProviderTimeout = 5 * time.Second
	defaultMinRemaining    = 10 * time.Minute
)

var defaultPerUserRate = limit.Rate{Events: 50, Per: time.Second}

// presets read the keys that are special to a provider and fill in the API.
var presets = map[string]func(t *table, p *Provider){
	"cloudflare": readCloudflare,
	"twilio":     readTwilio,
	"metered":    readMetered,
	"xirsys":     readXirsys,
	"turn-rest":  readTURNREST,
	"http":       readHTTPProvider,
}

// providerNames are the names of the presets.
var providerNames = []string{"cloudflare", "twilio", "metered", "xirsys", "turn-rest", "http"}

// readProvider reads an [[ice_server]] that has the key provider.
func readProvider(t *table) *Provider {
	defer t.unknown()
	name := t.string("provider")
	p := &Provider{Name: name, Key: t.path}
	preset := presets[name]
	if preset == nil {
		if name != "" {
			t.fault("provider", "is none of %s%s", strings.Join(providerNames, ", "), didYouMean(name, providerNames))
		}
		for name := range t.values {
			t.know(name) // which keys belong to it is not known
		}
		return nil
	}
	p.Timeout = t.duration("timeout", defaultProviderTimeout)
	p.MinRemaining = t.duration("min_remaining", defaultMinRemaining)
	p.PerUser = t.bool("per_user")
	p.PerUserRate = t.rate("per_user_rate", defaultPerUserRate)
	if t.has("per_user_rate") && !p.PerUser {
		t.fault("per_user_rate", "requires per_user = true, which is not set; set it, or remove the rate")
	}
	p.RootCAs = readCAFile(t)
	preset(t, p)
	keepPort53 := t.bool("keep_port_53")
	for api := p.API; api != nil; api = api.Then {
		api.KeepPort53 = keepPort53
	}
	if p.API.TTL > 0 && p.MinRemaining >= p.API.TTL {
		remaining, ttl := FormatDuration(p.MinRemaining), FormatDuration(p.API.TTL)
		if t.has("min_remaining") {
			t.fault("min_remaining", "is %s, not less than ttl, which is %s, so that no credential would ever be given out; write less, or a longer ttl", remaining, ttl)
		} else {
			t.fault("ttl", "is %s, not longer than min_remaining, which is %s, so that no credential would ever be given out; write a longer one, or a shorter min_remaining", ttl, remaining)
		}
	}
	p.Fingerprint = t.fingerprint()
	return p
}

// base returns the base address of a vendor, or what stands in url.
func (t *table) base(vendor string) string { return provider.TrimBase(t.address(vendor)) }

// address returns what stands in url, or else the address of the vendor.
func (t *table) address(vendor string) string {
	address := t.string("url")
	if address == "" {
		address = vendor
	}
	insecure := t.bool("insecure_http")
	if address == "" {
		return ""
	}
	if err := provider.CheckURL(address, insecure); errors.Is(err, provider.ErrInsecure) {
		t.fault("url", "is not https, and secrets are sent there; write https, or insecure_http = true if you trust the network")
	} else if err != nil {
		t.fault("url", "%v", err)
	}
	return address
}

// life returns the ttl of a provider within the vendor's bounds.
func (t *table) life(missing, longest time.Duration) time.Duration {
	ttl := t.duration("ttl", missing)
	if longest > 0 && ttl > longest {
		t.fault("ttl", "is longer than this provider allows; write \"%s\" or less", FormatDuration(longest))
	}
	return ttl
}

func (t *table) required(name, what string) string {
	s := t.string(name)
	if !t.has(name) {
		t.missing(name, "; write %s", what)
	}
	return s
}

func (t *table) requiredSecret(name, what string) secret.Secret {
	t.requireSecret(name, what)
	return t.secret(name)
}

package main

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"extdisco/internal/secret"
	"extdisco/internal/xmltext"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// iceServer is one [[ice_server]]: services that share a credential. Of the
// shared secret and the account at most one is set.
type iceServer struct {
	services     []xep0215.Service
	sharedSecret secret.Secret
	pseudonymKey secret.Secret
	ttl          time.Duration
	username     string
	password     secret.Secret
	provider     *providerConfig // nil unless a provider gives services and credentials
}

const defaultTTL = 24 * time.Hour

func readICEServers(root *configTable) []iceServer {
	tables := root.tables("ice_server")
	if len(tables) == 0 && !root.has("ice_server") {
		root.fault("ice_server", "is missing; write at least one [[ice_server]] with the urls of a STUN or TURN server")
	}
	known := map[xep0215.Key]string{}
	providers := map[[sha256.Size]byte]string{}
	var servers []iceServer
	for _, t := range tables {
		s := readICEServer(t, known)
		if s.provider != nil {
			if where, twice := providers[s.provider.fingerprint]; twice {
				t.r.fault(t.path, "is the same as %s; leave one of them out", where)
			}
			providers[s.provider.fingerprint] = t.path
		}
		servers = append(servers, s)
	}
	return servers
}

// readICEServer reads one server. known has the services of the servers before
// it and where they stand.
func readICEServer(t *configTable, known map[xep0215.Key]string) iceServer {
	if t.has("provider") {
		return iceServer{provider: readProvider(t)}
	}
	defer t.unknown()
	t.asked = append(t.asked, "provider")
	services, urlsRight := readURLs(t, known)
	s := iceServer{
		services:     services,
		sharedSecret: t.secret("secret"),
		ttl:          t.duration("ttl", defaultTTL),
		username:     t.string("username"),
		password:     t.secret("password"),
		pseudonymKey: t.secret("pseudonym_key"),
	}
	mints, fixed := t.hasSecret("secret"), t.has("username") || t.hasSecret("password")
	needsCredentials := slices.ContainsFunc(s.services, func(s xep0215.Service) bool { return s.Restricted })
	switch {
	case mints && fixed:
		t.fault(t.secretKey("secret"), "is given, and username or password too; a server has either a shared secret or a fixed account, leave the other out")
	case mints:
		checkMinted(t, s)
	case fixed:
		checkFixed(t, s)
	case needsCredentials:
		t.missing("secret_file", ", and a TURN server is of no use without credentials; name the file that holds the shared secret"+
			" (coturn: static-auth-secret), or give username and password of a fixed account")
	}
	if (mints || fixed) && urlsRight && !needsCredentials {
		t.fault("urls", "names no turn: or turns: server that the credentials could be for; add one, or leave the credentials out")
	}
	for _, key := range []string{"ttl", t.secretKey("pseudonym_key")} {
		if t.has(key) && !mints && (fixed || !needsCredentials) {
			t.fault(key, "goes with a shared secret only, and there is none; leave it out")
		}
	}
	return s
}

const (
	shortSecret = 16 // bytes; below it a secret can be guessed in earnest
	// TTLs below which clients in use fail.
	dinoNeeds = 10 * time.Minute
	psiNeeds  = 14 * time.Hour
)

func checkMinted(t *configTable, s iceServer) {
	if n := len(s.sharedSecret.Reveal()); n > 0 && n < shortSecret {
		t.warn(t.secretKey("secret"), "the shared secret has %d bytes only; a random one of 32 is safer: openssl rand -hex 32", n)
	}
	switch {
	case s.ttl < dinoNeeds:
		t.warn("ttl", "%s is short: Dino asks again only for credentials that live 10m or longer, Jitsi Meet never asks again; 24h suits both", shortDuration(s.ttl))
	case s.ttl < psiNeeds:
		t.warn("ttl", "%s is short: Jitsi Meet never asks again, and Psi reads the expiry in its own time zone; 24h suits both", shortDuration(s.ttl))
	}
	if t.r.now.Add(s.ttl).Unix() > turncred.MaxExpires {
		t.warn("ttl", "credentials will expire on 2038-01-19 at the latest, since coturn takes no later instant")
	}
}

// maxCredential bounds usernames and passwords. RFC 8489 §14.3 allows a
// username of 508 bytes.
const maxCredential = 508

func checkFixed(t *configTable, s iceServer) {
	if !t.has("username") {
		t.missing("username", "; a fixed account needs username and password")
	}
	t.requireSecret("password", "the password of the fixed account")
	checkCredentialText(t, "username", s.username)
	checkCredentialText(t, t.secretKey("password"), s.password.Reveal())
	t.warn("username", "everybody gets the same fixed account, which does not expire; a shared secret (secret_file) is safer if the TURN server can do it")
}

func checkCredentialText(t *configTable, name, value string) {
	if !xmltext.IsValid(value) {
		t.fault(name, "holds characters that XML cannot carry; choose another, here and on the TURN server")
	}
	if len(value) > maxCredential {
		t.fault(name, "has %d bytes; choose one of at most %d, here and on the TURN server", len(value), maxCredential)
	}
}

// readURLs returns the services of a server, and whether each of its urls is
// right.
func readURLs(t *configTable, known map[xep0215.Key]string) (services []xep0215.Service, right bool) {
	if !t.has("urls") {
		t.missing("urls", "; write a list such as [\"turn:turn.example.org:3478?transport=udp\"]")
	}
	faults := len(t.r.faults)
	t.eachString("urls", func(key, url string) {
		s, ok := readURL(t, key, url)
		if !ok {
			return
		}
		if where, twice := known[s.Key()]; twice {
			t.fault(key, "%q stands in %s already; leave one of them out", url, where)
			return
		}
		known[s.Key()] = t.key(key)
		if strings.Contains(s.Host, ":") {
			t.warn(key, "%q names an IPv6 address, which Jitsi Meet and others cannot use; a host name is safer", url)
		}
		services = append(services, s)
	})
	return services, len(services) > 0 && len(t.r.faults) == faults
}

func readURL(t *configTable, key, url string) (xep0215.Service, bool) {
	s, err := xep0215.ParseURI(url)
	if err != nil {
		if _, host, found := strings.Cut(url, "@"); found { // what is before it may be a password
			url = "…@" + host
		}
		t.fault(key, "%q %v", url, err)
	}
	return s, err == nil
}

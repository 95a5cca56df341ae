package config

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

// ICEServer is one [[ice_server]]: services that share a credential. At most one of
// SharedSecret, Username and Provider is set; with none of them, the services need
// no credential.
type ICEServer struct {
	Key          string            // where it stands: "ice_server[0]"
	Services     []xep0215.Service // in the order of urls; none with a Provider
	SharedSecret secret.Secret     // of the TURN server, which credentials are made with
	PseudonymKey secret.Secret     // keys the user part of usernames; default: derived from SharedSecret
	TTL          time.Duration     // how long a credential lives; default: [DefaultTTL]
	Username     string            // of a fixed account
	Password     secret.Secret     // of a fixed account
	Provider     *Provider         // gives services and credentials; nil for none
}

// DefaultTTL is how long credentials live unless ttl says otherwise.
const DefaultTTL = 24 * time.Hour

func readICEServers(root *table) []ICEServer {
	tables := root.tables("ice_server")
	if len(tables) == 0 && !root.has("ice_server") {
		root.fault("ice_server", "is missing; write at least one [[ice_server]] with the urls of a STUN or TURN server")
	}
	known := map[xep0215.Key]string{}
	providers := map[[sha256.Size]byte]string{}
	var servers []ICEServer
	for _, t := range tables {
		s := readICEServer(t, known)
		if s.Provider != nil {
			if where, twice := providers[s.Provider.Fingerprint]; twice {
				t.r.fault(t.path, "is the same as %s; leave one of them out", where)
			}
			providers[s.Provider.Fingerprint] = t.path
		}
		servers = append(servers, s)
	}
	return servers
}

// readICEServer reads one server. known has the services of the servers before
// it and where they stand.
func readICEServer(t *table, known map[xep0215.Key]string) ICEServer {
	if t.has("provider") {
		return ICEServer{Key: t.path, Provider: readProvider(t)}
	}
	defer t.unknown()
	t.asked = append(t.asked, "provider")
	services, urlsRight := readURLs(t, known)
	s := ICEServer{
		Key:          t.path,
		Services:     services,
		SharedSecret: t.secret("secret"),
		TTL:          t.duration("ttl", DefaultTTL),
		Username:     t.string("username"),
		Password:     t.secret("password"),
		PseudonymKey: t.secret("pseudonym_key"),
	}
	mints, fixed := t.hasSecret("secret"), t.has("username") || t.hasSecret("password")
	needsCredentials := slices.ContainsFunc(s.Services, func(s xep0215.Service) bool { return s.Restricted })
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

func checkMinted(t *table, s ICEServer) {
	if n := len(s.SharedSecret.Reveal()); n > 0 && n < shortSecret {
		t.warn(t.secretKey("secret"), "the shared secret has %d bytes only; a random one of 32 is safer: openssl rand -hex 32", n)
	}
	switch {
	case s.TTL < dinoNeeds:
		t.warn("ttl", "%s is short: Dino asks again only for credentials that live 10m or longer, Jitsi Meet never asks again; 24h suits both", FormatDuration(s.TTL))
	case s.TTL < psiNeeds:
		t.warn("ttl", "%s is short: Jitsi Meet never asks again, and Psi reads the expiry in its own time zone; 24h suits both", FormatDuration(s.TTL))
	}
	if t.r.now.Add(s.TTL).Unix() > turncred.MaxExpires {
		t.warn("ttl", "credentials will expire on 2038-01-19 at the latest, since coturn takes no later instant")
	}
}

// MaxCredential bounds usernames and passwords, in bytes. RFC 8489 §14.3 allows a
// username of 508 bytes.
const MaxCredential = 508

func checkFixed(t *table, s ICEServer) {
	if !t.has("username") {
		t.missing("username", "; a fixed account needs username and password")
	}
	t.requireSecret("password", "the password of the fixed account")
	checkCredentialText(t, "username", s.Username)
	checkCredentialText(t, t.secretKey("password"), s.Password.Reveal())
	t.warn("username", "everybody gets the same fixed account, which does not expire; a shared secret (secret_file) is safer if the TURN server can do it")
}

func checkCredentialText(t *table, name, value string) {
	if !xmltext.IsValid(value) {
		t.fault(name, "holds characters that XML cannot carry; choose another, here and on the TURN server")
	}
	if len(value) > MaxCredential {
		t.fault(name, "has %d bytes; choose one of at most %d, here and on the TURN server", len(value), MaxCredential)
	}
}

// readURLs returns the services of a server, and whether each of its urls is
// right.
func readURLs(t *table, known map[xep0215.Key]string) (services []xep0215.Service, right bool) {
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

func readURL(t *table, key, url string) (xep0215.Service, bool) {
	s, err := xep0215.ParseURI(url)
	if err != nil {
		if _, host, found := strings.Cut(url, "@"); found { // what is before it may be a password
			url = "…@" + host
		}
		t.fault(key, "%q %v", url, err)
	}
	return s, err == nil
}

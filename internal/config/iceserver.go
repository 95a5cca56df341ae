package config

import (
	"crypto/sha256"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"extdisco/internal/reach"
	"extdisco/internal/rotation"
	"extdisco/internal/secret"
	"extdisco/internal/xmltext"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// ICEServer is one [[ice_server]]: services that share a credential. At most one of
// SharedSecret, Rotation, Username and Provider is set; with none of them, the services need
// no credential.
type ICEServer struct {
	Key          string            // where it stands: "ice_server[0]"
	Services     []xep0215.Service // in the order of urls; none with a Provider
	SharedSecret secret.Secret     // of the TURN server, which credentials are made with
	// PreviousSecret is the SharedSecret that the TURN server had before, and may still
	// have; empty for none.
	PreviousSecret secret.Secret
	// Rotation says where shared secrets that rotate come from; nil for none. Package source fills
	// SharedSecret, PreviousSecret and OldSecrets in, which package config leaves empty.
	Rotation     *rotation.Config
	OldSecrets   []secret.Secret // that were in use before, and whose credentials may be about
	PseudonymKey secret.Secret   // keys the user part of usernames; default: derived from SharedSecret
	TTL          time.Duration   // how long a credential lives; default: [DefaultTTL]
	Username     string          // of a fixed account
	Password     secret.Secret   // of a fixed account
	Provider     *Provider       // gives services and credentials; nil for none

	UsernameForm string                    // "" for EXPIRES:PSEUDONYM, [FormEjabberd], [FormRelay]
	Realm        string                    // with FormEjabberd: the host of ejabberd whose hash stands in usernames; with Rotation: coturn's
	NAT          map[netip.Addr]netip.Addr // of our own relay, see [Relay]
	Name         Name
	Info         []xep0215.Field // extended information about each of the services
	Choice       Choice          // for whom it is
}

// FormEjabberd is the form of usernames that ejabberd's own TURN server takes: EXPIRES:USERHOST,
// with 8 hexadecimal digits for the user and 8 of the SHA-1 of the host, which is the realm.
const FormEjabberd = "ejabberd"

// FormRelay is the form of usernames for our own relay: behind the pseudonym stand digits for
// the domain of the user, so that access.deny of a whole domain ends allocations.
const FormRelay = "extdisco"

// Name is what a service is called (XEP-0215, the attribute name): by language tag in lower case,
// under "" for all others. Empty when it has no name.
type Name map[string]string

// DefaultTTL is how long credentials live unless ttl says otherwise.
const DefaultTTL = 24 * time.Hour

func readICEServers(root *table, own Relay) []ICEServer {
	tables := root.tables("ice_server")
	if len(tables) == 0 && !root.has("ice_server") && !own.On {
		root.fault("ice_server", "is missing; write at least one [[ice_server]] with the urls of a STUN or TURN server, or [relay] for one of our own")
	}
	known := map[xep0215.Key]string{}
	for _, s := range own.Services() {
		known[s.Key()] = RelayKey
	}
	providers := map[[sha256.Size]byte]string{}
	var servers []ICEServer
	for _, t := range tables {
		s := readICEServer(t, known)
		if s.Provider != nil {
			if where, twice := providers[s.Provider.Fingerprint]; twice {
				t.r.fault(t.path, "is the same as %s; remove one of them", where)
			}
			providers[s.Provider.Fingerprint] = t.path
		}
		servers = append(servers, s)
	}
	dir := own.StateDir
	if dir == "" {
		dir = root.r.stateDir("")
	}
	shareRotations(servers, dir)
	return servers
}

// readICEServer reads one server. known has the services of the servers before it and where they
// stand.
func readICEServer(t *table, known map[xep0215.Key]string) ICEServer {
	name, info, choice := readName(t), readInfo(t), readChoice(t)
	if t.has("provider") {
		p := readProvider(t)
		if p != nil {
			p.DisplayName, p.Info = name, info
		}
		return ICEServer{Key: t.path, Name: name, Info: info, Choice: choice, Provider: p}
	}
	defer t.unknown()
	t.know("provider")
	services, urlsValid := readURLs(t, known)
	s := ICEServer{
		Key:            t.path,
		Name:           name,
		Info:           info,
		Choice:         choice,
		Services:       services,
		SharedSecret:   t.secret("secret"),
		PreviousSecret: t.secret("previous_secret"),
		TTL:            t.duration("ttl", DefaultTTL),
		Username:       t.string("username"),
		Password:       t.secret("password"),
		PseudonymKey:   t.secret("pseudonym_key"),
		UsernameForm:   readUsernameForm(t),
		Realm:          t.string("realm"),
	}
	if s.Rotation = readRotation(t, s.Realm, s.TTL); s.Rotation == nil {
		s.Realm = strings.ToLower(s.Realm)
	}
	mints, fixed := t.hasSecret("secret") || s.Rotation != nil, t.has("username") || t.hasSecret("password")
	needsCredentials := slices.ContainsFunc(s.Services, func(s xep0215.Service) bool { return s.Restricted })
	switch {
	case mints && fixed:
		key := t.secretKey("secret")
		if s.Rotation != nil {
			key = t.secretKey("coturn_db")
		}
		t.fault(key, "cannot be combined with username or password; a server has either a shared secret or a fixed account, remove the other")
	case mints:
		checkMinted(t, s)
	case fixed:
		checkFixed(t, s)
	case needsCredentials:
		t.missing("secret_file", ", and a TURN server is of no use without credentials; name the file with the shared secret"+
			" (coturn: static-auth-secret), or give username and password of a fixed account")
	}
	if (mints || fixed) && urlsValid && !needsCredentials {
		t.fault("urls", "has no turn: or turns: URI, which the credentials would be for; add one, or remove the credentials")
	}
	for _, key := range []string{t.secretKey("previous_secret"), "ttl", t.secretKey("pseudonym_key"), "username_form", "realm"} {
		if t.has(key) && !mints && (fixed || !needsCredentials) {
			t.fault(key, "requires a shared secret (secret_file), which is not set; remove it")
		}
	}
	return s
}

func readUsernameForm(t *table) string {
	form := t.string("username_form")
	switch {
	case form != "" && form != FormEjabberd && form != FormRelay:
		t.fault("username_form", "is not known; the forms besides the usual one are %q and, for the relay of [relay] on another machine, %q", FormEjabberd, FormRelay)
	case form == FormEjabberd && !t.has("realm"):
		t.missing("realm", ", and username_form requires it; write the virtual host of ejabberd whose users are served")
	case form != FormEjabberd && t.has("realm") && !t.has("rotate") && !t.hasSecret("coturn_db"):
		t.fault("realm", "requires username_form = %q or coturn_db, neither of which is set; coturn and others need no realm here, remove it", FormEjabberd)
	}
	return form
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// readName reads a name, or a table of names by language.
func readName(t *table) Name {
	v, ok := t.value("name")
	if !ok {
		return nil
	}
	byLanguage, isTable := v.(map[string]any)
	if !isTable {
		name := t.stringOf("name", "put it in quotes, or write a table of names by language")
		if name == "" {
			return nil
		}
		checkLabel(t, "name", name)
		return Name{"": name}
	}
	names := Name{}
	for _, language := range slices.Sorted(maps.Keys(byLanguage)) {
		name, isText := byLanguage[language].(string)
		switch {
		case language == "default":
			language = ""
		case !languageTag.MatchString(language):
			t.fault("name", "has a key that is not a language; write { default = \"…\", de = \"…\" }")
		}
		if !isText || strings.TrimSpace(name) == "" {
			t.fault("name", "has a name that is not a string; put each in quotes")
			continue
		}
		checkLabel(t, "name", name)
		names[strings.ToLower(language)] = name
	}
	if len(byLanguage) == 0 {
		t.fault("name", "is an empty table; write { default = \"…\", de = \"…\" }, or remove it")
	} else if _, ok := byLanguage["default"]; !ok {
		t.fault("name", "has no default; write { default = \"…\", de = \"…\" }")
	}
	return names
}

// checkRotation warns of a previous secret that nothing looks for. Without [probe] nobody finds
// out which of the two a TURN server has.
func checkRotation(root *table, servers []ICEServer, probe Probe) {
	for i, s := range servers {
		if s.PreviousSecret.IsEmpty() || probe.On {
			continue
		}
		t := &table{r: root.r, path: s.Key, values: root.tables("ice_server")[i].values}
		t.warn(t.secretKey("previous_secret"), "the new secret is used at once, and refused until the TURN server has it; with [probe], extdisco uses the previous one until then")
	}
}

const (
	shortSecret = 16 // bytes; below it a secret can be guessed in earnest
	// TTLs below which clients fail that renew their credentials.
	dinoNeeds   = 10 * time.Minute
	bridgeNeeds = time.Hour
)

func checkMinted(t *table, s ICEServer) {
	if n := len(s.SharedSecret.Reveal()); n > 0 && n < shortSecret {
		t.warn(t.secretKey("secret"), "the shared secret has only %s; a random one of 32 is safer: openssl rand -hex 32", count(n, "byte"))
	}
	if !s.PreviousSecret.IsEmpty() && s.PreviousSecret.Equal(s.SharedSecret) {
		t.fault(t.secretKey("previous_secret"), "is the same as %s; give the secret that the TURN server had before, or remove it", t.secretKey("secret"))
	}
	switch {
	case s.TTL < dinoNeeds:
		t.warn("ttl", "%s is short: Dino renews only credentials that live 10m or longer; write 1h where mod_extdisco_bridge renews those of Jitsi Meet, and 24h elsewhere", FormatDuration(s.TTL))
	case s.TTL < bridgeNeeds:
		t.warn("ttl", "%s is short: a client that was asleep wakes up with an expired credential; write 1h where mod_extdisco_bridge renews those of Jitsi Meet, and 24h elsewhere", FormatDuration(s.TTL))
	}
	if t.r.now.Add(s.TTL).Unix() > turncred.MaxExpires {
		t.warn("ttl", "credentials expire on 2038-01-19 at the latest; coturn takes no later expiry")
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
	t.warn("username", "everybody gets the same account, which never expires; a shared secret (secret_file) is safer if the TURN server supports it")
}

func checkCredentialText(t *table, name, value string) {
	if !xmltext.IsValid(value) {
		t.fault(name, "contains characters that XML cannot carry; choose another, here and on the TURN server")
	}
	if len(value) > MaxCredential {
		t.fault(name, "has %s; choose one of at most %d, here and on the TURN server", count(len(value), "byte"), MaxCredential)
	}
}

// readURLs returns the services of a server, and whether all of its urls are valid.
func readURLs(t *table, known map[xep0215.Key]string) (services []xep0215.Service, valid bool) {
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
			t.fault(key, "is the same as %s; remove one of them", where)
			return
		}
		known[s.Key()] = t.key(key)
		services = append(services, s)
	})
	return services, len(services) > 0 && len(t.r.faults) == faults
}

// readURL reads an ICE URI and looks whether clients can use it. What cannot be read is not shown:
// a password may stand in it.
func readURL(t *table, key, url string) (xep0215.Service, bool) {
	s, err := xep0215.ParseURI(strings.TrimSpace(url))
	if err != nil {
		t.fault(key, "%v", err)
		return s, false
	}
	kind := reach.Of(s.Host)
	switch {
	case kind.IsNowhere():
		t.fault(key, "names %v, which nobody can connect to; write the name or the public address of the server", kind)
		return s, false
	case kind.IsLocal():
		what := kind.String()
		if kind == reach.LocalName {
			what = "a host of the local network"
		}
		t.warn(key, "names %s, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network", what)
	case strings.Contains(s.Host, ":"):
		t.warn(key, "names an IPv6 address, which Jitsi Meet and others cannot use; a host name is safer")
	}
	return s, true
}

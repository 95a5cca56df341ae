package migrate

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"extdisco/internal/config"
	"extdisco/internal/reach"
	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// Coturn is what a turnserver.conf says, with coturn's defaults for what it does not.
type Coturn struct {
	Realm         string
	UseAuthSecret bool            // use-auth-secret or static-auth-secret: credentials are minted
	Secrets       []secret.Secret // each static-auth-secret; coturn accepts all of them
	LongTerm      bool            // lt-cred-mech
	NoAuth        bool            // no-auth: an open relay
	Database      bool            // secrets and users may also be in a database

	Port, TLSPort    uint16 // listening-port, tls-listening-port
	MinPort, MaxPort uint16 // for relayed traffic
	NoUDP, NoTCP     bool   // no-udp, no-tcp: of listeners
	NoTLS            bool
	Cert, PrivateKey string // cert and pkey; TLS needs both

	ListeningIPs []string // listening-ip
	ExternalIPs  []string // external-ip, the public part only
	AllowedPeers []string // allowed-peer-ip
	DeniedPeers  []string // denied-peer-ip
	UserQuota    int      // user-quota; 0 for none
	TotalQuota   int      // total-quota; 0 for none

	secretLines  []int
	users        []Credential
	firstSetting int // line
	notes        *List
}

// coturnOption finds what only a turnserver.conf has.
var coturnOption = regexp.MustCompile(`(?m)^[ \t]*(?:use-auth-secret|lt-cred-mech|static-auth-secret[ \t=]|listening-port[ \t=]|tls-listening-port[ \t=]|external-ip[ \t=]|denied-peer-ip[ \t=]|user[ \t=]+[^ \t:=]+:|realm[ \t=])`)

func readCoturn(text string, list *List) {
	c := &Coturn{Port: xep0215.DefaultPort, TLSPort: xep0215.DefaultTLSPort, MinPort: 49152, MaxPort: 65535, notes: list}
	list.Coturn = c
	number := 0
	for line := range strings.Lines(text) {
		number++
		if name, value := splitCoturn(line); name != "" {
			if c.firstSetting == 0 {
				c.firstSetting = number
			}
			c.set(number, name, value)
		}
	}
	c.fill(list)
}

// splitCoturn splits a line as coturn does: at blanks or equals signs, without the quotes
// around the value.
func splitCoturn(line string) (name, value string) {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if line == "" || line[0] == '#' {
		return "", ""
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return line, ""
	}
	name, value = line[:end], strings.TrimLeft(line[end:], " \t=")
	if inside, quoted := strings.CutPrefix(value, `"`); quoted {
		value = inside
		if end := strings.LastIndexByte(inside, '"'); end >= 0 {
			value = inside[:end]
		}
	}
	return name, value
}

// isOn reads a switch as coturn does.
func isOn(value string) bool { return value == "" || !strings.ContainsRune("0fFnN", rune(value[0])) }

func (c *Coturn) set(line int, name, value string) {
	switch name {
	case "realm":
		c.Realm = value
	case "use-auth-secret":
		c.UseAuthSecret = isOn(value)
	case "static-auth-secret":
		if value != "" {
			c.Secrets, c.secretLines = append(c.Secrets, secret.New(value)), append(c.secretLines, line)
		}
	case "lt-cred-mech":
		c.LongTerm = isOn(value)
	case "no-auth":
		c.NoAuth = isOn(value)
	case "user":
		username, password, _ := strings.Cut(value, ":")
		c.users = append(c.users, fixedAccount(username, password, line))
	case "userdb", "psql-userdb", "mysql-userdb", "mongo-userdb", "redis-userdb":
		c.Database = true
	case "listening-port", "tls-listening-port", "min-port", "max-port":
		c.setPort(line, name, value)
	case "no-udp":
		c.NoUDP = isOn(value)
	case "no-tcp":
		c.NoTCP = isOn(value)
	case "no-tls":
		c.NoTLS = isOn(value)
	case "cert":
		c.Cert = value
	case "pkey":
		c.PrivateKey = value
	case "listening-ip":
		c.ListeningIPs = append(c.ListeningIPs, value)
	case "external-ip":
		public, _, _ := strings.Cut(value, "/")
		c.ExternalIPs = append(c.ExternalIPs, strings.TrimSpace(public))
	case "allowed-peer-ip":
		c.AllowedPeers = append(c.AllowedPeers, value)
	case "denied-peer-ip":
		c.DeniedPeers = append(c.DeniedPeers, value)
	case "user-quota":
		c.UserQuota = c.quota(line, name, value)
	case "total-quota":
		c.TotalQuota = c.quota(line, name, value)
	}
}

func (c *Coturn) setPort(line int, name, value string) {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port == 0 {
		c.notes.note(line, "%s is not a number from 1 to 65535; coturn's default is assumed", name)
		return
	}
	*map[string]*uint16{"listening-port": &c.Port, "tls-listening-port": &c.TLSPort, "min-port": &c.MinPort, "max-port": &c.MaxPort}[name] = uint16(port)
}

func (c *Coturn) quota(line int, name, value string) int {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		c.notes.note(line, "%s is not a whole number, and is ignored", name)
		return 0
	}
	return int(min(n, math.MaxInt32))
}

// HasTLS reports whether coturn serves turns. no-tcp does not concern it.
func (c *Coturn) HasTLS() bool { return !c.NoTLS && c.Cert != "" && c.PrivateKey != "" }

// URIs returns what coturn serves, for clients that know it by that name or address.
func (c *Coturn) URIs(host string) []string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	var uris []string
	address := fmt.Sprintf("%s:%d", host, c.Port)
	if !c.NoUDP {
		uris = append(uris, "stun:"+address, "turn:"+address+"?transport=udp")
	}
	if !c.NoTCP {
		uris = append(uris, "turn:"+address+"?transport=tcp")
	}
	if c.HasTLS() {
		uris = append(uris, fmt.Sprintf("turns:%s:%d?transport=tcp", host, c.TLSPort))
	}
	return uris
}

// Credential returns what clients of this coturn need. Its kind is [NoCredential] when the
// file has neither a shared secret nor a fixed account with a password.
func (c *Coturn) Credential() Credential {
	switch {
	case len(c.Secrets) > 0:
		return sharedSecret(c.Secrets[0].Reveal(), c.secretLines[0], config.DefaultTTL)
	case c.UseAuthSecret:
		return Credential{Kind: SharedSecret, TTL: config.DefaultTTL, Line: c.firstSetting, Computed: "in coturn's database, not in turnserver.conf"}
	}
	for _, user := range c.users {
		if !isCoturnKey(user.Secret.Reveal()) && user.fault() == nil {
			return user
		}
	}
	return Credential{}
}

// isCoturnKey tells the MD5 key of an account, which is no password.
func isCoturnKey(password string) bool {
	digits, isKey := strings.CutPrefix(password, "0x")
	return isKey && len(digits) >= 32
}

// host returns what clients may know coturn by, as far as the file says.
func (c *Coturn) host() string {
	if strings.Contains(c.Realm, ".") {
		if s, err := xep0215.ParseURI("stun:" + c.Realm); err == nil && reach.Of(s.Host) == reach.Public {
			return s.Host
		}
	}
	for _, ip := range append(append([]string{}, c.ExternalIPs...), c.ListeningIPs...) {
		if a, err := netip.ParseAddr(ip); err == nil && reach.OfAddr(a) == reach.Public {
			return a.String()
		}
	}
	return ""
}

// fill adds the services of coturn to the list.
func (c *Coturn) fill(list *List) {
	line := max(c.firstSetting, 1)
	if c.Realm == "" {
		list.note(line, "realm is not set, and browsers get no relay from coturn then; add realm= with your domain to turnserver.conf")
	}
	if c.UseAuthSecret && c.LongTerm {
		list.note(line, "lt-cred-mech and use-auth-secret are both set; remove lt-cred-mech")
	}
	if len(c.Secrets) > 1 {
		list.note(c.secretLines[1], "there are %d static-auth-secret lines; the first is used, coturn accepts all of them", len(c.Secrets))
	}
	host := list.host
	if host == "" {
		if host = c.host(); host == "" {
			list.note(line, "the name or address that clients use for the TURN server is not in turnserver.conf; give it with --host")
			return
		}
		list.note(line, "the name that clients use for the TURN server is not in turnserver.conf; %s is assumed, give another with --host", host)
	}
	credential := c.Credential()
	if credential.Kind == NoCredential {
		credential.missing = c.whyNoCredential()
	}
	for _, uri := range c.URIs(host) {
		list.add(line, "the host", uri, credential)
	}
}

func (c *Coturn) whyNoCredential() string {
	switch {
	case c.NoAuth:
		return "coturn asks for no credential (no-auth) and relays for anybody; set use-auth-secret, static-auth-secret and realm"
	case len(c.users) > 0:
		return "the users of turnserver.conf have keys (0x...) instead of passwords; set use-auth-secret and static-auth-secret"
	}
	return "turnserver.conf has no shared secret; set use-auth-secret, static-auth-secret and realm"
}

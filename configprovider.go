package main

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
	vendorapi "extdisco/turncred/provider"
)

// providerConfig is an [[ice_server]] whose servers and credentials come from a
// provider over HTTP.
type providerConfig struct {
	name         string // cloudflare, http, …
	key          string // where it stands in the configuration, for messages
	api          *vendorapi.API
	rootCAs      *x509.CertPool // nil means the system's
	timeout      time.Duration
	minRemaining time.Duration // life that a credential must have left to be given out
	perUser      bool
	perUserRate  limit.Rate
	// revocation returns the request that takes a username back; nil unless
	// asked for.
	revocation func(username string) *vendorapi.API
	// fingerprint differs when anything of the above does.
	fingerprint [sha256.Size]byte
}

const (
	defaultProviderTimeout = 5 * time.Second
	defaultMinRemaining    = 10 * time.Minute
)

var defaultPerUserRate = limit.Rate{Events: 50, Per: time.Second}

// presets read the keys that are special to a provider and fill in the API.
var presets = map[string]func(t *configTable, p *providerConfig){
	"cloudflare": readCloudflare,
	"twilio":     readTwilio,
	"metered":    readMetered,
	"xirsys":     readXirsys,
	"turn-rest":  readTURNREST,
	"http":       readHTTPProvider,
}

// readProvider reads an [[ice_server]] that has the key provider.
func readProvider(t *configTable) *providerConfig {
	defer t.unknown()
	name := t.string("provider")
	p := &providerConfig{name: name, key: t.path}
	preset := presets[name]
	if preset == nil {
		if name != "" {
			t.fault("provider", "%q is not known; write one of cloudflare, twilio, metered, xirsys, turn-rest, http", name)
		}
		t.askAll()
		return nil
	}
	p.timeout = t.duration("timeout", defaultProviderTimeout)
	p.minRemaining = t.duration("min_remaining", defaultMinRemaining)
	p.perUser = t.bool("per_user")
	p.perUserRate = t.rate("per_user_rate", defaultPerUserRate)
	if t.has("per_user_rate") && !p.perUser {
		t.fault("per_user_rate", "goes with per_user = true only; set that, or leave the rate out")
	}
	p.rootCAs = readCAFile(t)
	preset(t, p)
	keepPort53 := t.bool("keep_port_53")
	for api := p.api; api != nil; api = api.Then {
		api.KeepPort53 = keepPort53
	}
	if p.api.TTL > 0 && p.minRemaining >= p.api.TTL {
		remaining, ttl := shortDuration(p.minRemaining), shortDuration(p.api.TTL)
		if t.has("min_remaining") {
			t.fault("min_remaining", "%s is not less than ttl, which is %s: no credential would ever be given out; write less, or a longer ttl", remaining, ttl)
		} else {
			t.fault("ttl", "%s is not longer than min_remaining, which is %s: no credential would ever be given out; write a longer one, or less as min_remaining", ttl, remaining)
		}
	}
	p.fingerprint = t.fingerprint()
	return p
}

// base returns the base address of a vendor, or what stands in url.
func (t *configTable) base(vendor string) string { return vendorapi.TrimBase(t.address(vendor)) }

// address returns what stands in url, or else the address of the vendor.
func (t *configTable) address(vendor string) string {
	address := t.string("url")
	if address == "" {
		address = vendor
	}
	insecure := t.bool("insecure_http")
	if address == "" {
		return ""
	}
	if err := vendorapi.CheckURL(address, insecure); errors.Is(err, vendorapi.ErrInsecure) {
		t.fault("url", "%sis not https, and secrets are sent there; write https, or insecure_http = true if you trust the network", quoteAddress(address))
	} else if err != nil {
		t.fault("url", "%s%v", quoteAddress(address), err)
	}
	return address
}

// quoteAddress returns an address in quotes and a blank, without what may hold a
// secret, or nothing.
func quoteAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return strconv.Quote((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()) + " "
}

// life returns the ttl of a provider within the vendor's bounds.
func (t *configTable) life(missing, longest time.Duration) time.Duration {
	ttl := t.duration("ttl", missing)
	if longest > 0 && ttl > longest {
		t.fault("ttl", "%s is longer than this provider allows; write \"%s\" or less", shortDuration(ttl), shortDuration(longest))
	}
	return ttl
}

func (t *configTable) required(name, what string) string {
	s := t.string(name)
	if !t.has(name) {
		t.missing(name, "; write %s", what)
	}
	return s
}

func (t *configTable) requiredSecret(name, what string) secret.Secret {
	t.requireSecret(name, what)
	return t.secret(name)
}

func readCloudflare(t *configTable, p *providerConfig) {
	base := t.base(vendorapi.CloudflareURL)
	keyID := t.required("key_id", "the ID of the TURN key (Realtime, TURN in Cloudflare's dashboard)")
	token := t.requiredSecret("api_token", "the API token of the TURN key")
	ttl := t.life(defaultTTL, vendorapi.CloudflareMaxTTL)
	identifier := t.string("custom_identifier")
	if identifier == "pseudonym" {
		if !p.perUser {
			t.fault("custom_identifier", "is \"pseudonym\", and without per_user = true all share a credential; set that, or write another text")
		}
		identifier = "{{user}}"
	}
	p.api = vendorapi.Cloudflare(base, keyID, []byte(token.Reveal()), ttl, identifier)
	if t.bool("revoke_on_exit") {
		if p.perUser {
			t.fault("revoke_on_exit", "does not go with per_user = true; leave one of them out")
		}
		p.revocation = func(username string) *vendorapi.API {
			return vendorapi.CloudflareRevocation(base, keyID, []byte(token.Reveal()), username)
		}
	}
}

func readTwilio(t *configTable, p *providerConfig) {
	base := t.base(vendorapi.TwilioURL)
	account := t.required("account_sid", "the account SID, from the console")
	keySID, keySecret, authToken := t.string("key_sid"), t.secret("key_secret"), t.secret("auth_token")
	user, password := account, authToken
	switch hasKey := t.has("key_sid") || t.hasSecret("key_secret"); {
	case hasKey && t.hasSecret("auth_token"):
		t.fault(t.secretKey("auth_token"), "is given, and an API key (key_sid or key_secret) too; leave one of them out")
	case hasKey:
		user, password = keySID, keySecret
		t.together("key_sid", "key_secret", "the SID of the API key", "the secret of the API key")
	default:
		t.requireSecret("auth_token", "the account's auth token (or give key_sid and key_secret_file)")
	}
	p.api = vendorapi.Twilio(base, account, user, []byte(password.Reveal()), t.life(vendorapi.TwilioMaxTTL, vendorapi.TwilioMaxTTL))
}

// appName is the name of an app at Metered, which is part of a host name.
var appName = regexp.MustCompile(`^[0-9A-Za-z-]+$`)

func readMetered(t *configTable, p *providerConfig) {
	app := t.string("app")
	vendor := ""
	switch {
	case appName.MatchString(app):
		vendor = "https://" + app + ".metered.live"
	case app != "":
		t.fault("app", "%q is not the name of an app; write the part before .metered.live", app)
	case !t.has("app") && !t.has("url"):
		t.missing("app", "; write the name of your app, the part before .metered.live")
	}
	base := t.base(vendor)
	region, secretKey, apiKey := t.string("region"), t.secret("secret_key"), t.secret("api_key")
	switch {
	case t.hasSecret("secret_key") && t.hasSecret("api_key"):
		t.fault(t.secretKey("secret_key"), "is given, and %s too; leave one of them out: with the secret key credentials are made that expire, with the API key a lasting one is used",
			t.secretKey("api_key"))
	case t.hasSecret("api_key"):
		p.api = vendorapi.Metered(base, []byte(apiKey.Reveal()), region, t.requiredLife())
		return
	default:
		t.requireSecret("secret_key", "the secret key of the app (or give api_key_file, the API key of a lasting credential, and ttl)")
	}
	p.api = vendorapi.MeteredCreate(base, []byte(secretKey.Reveal()), region, t.life(defaultTTL, 0))
}

// requiredLife is the ttl of a provider whose answer states none.
func (t *configTable) requiredLife() time.Duration {
	if !t.has("ttl") {
		t.missing("ttl", ", and this provider does not say how long its credentials live; write for example \"24h\"")
	}
	return t.life(defaultTTL, 0)
}

func readXirsys(t *configTable, p *providerConfig) {
	base := t.base(vendorapi.XirsysURL)
	channel := t.required("channel", "the name of the channel")
	ident := t.required("ident", "the ident of the account")
	password := t.requiredSecret("secret", "the secret of the account")
	p.api = vendorapi.Xirsys(base, channel, ident, []byte(password.Reveal()), t.life(defaultTTL, 0))
}

func readTURNREST(t *configTable, p *providerConfig) {
	if !t.has("url") {
		t.missing("url", "; write the address that gives credentials, such as \"https://turn.example.org/turn\"")
	}
	address := t.address("")
	user := t.string("username")
	if p.perUser && user == "" {
		user = "{{user}}"
	}
	p.api = vendorapi.TURNREST(address, []byte(t.secret("key").Reveal()), user, t.life(0, 0))
}

func readHTTPProvider(t *configTable, p *providerConfig) {
	if !t.has("url") {
		t.missing("url", "; write the address that gives credentials")
	}
	api := &vendorapi.API{URL: hidden(t.address("")), Method: t.oneOf("method", "GET", "POST", "PUT"), Body: hidden(t.string("body")),
		Header: map[string]vendorapi.Secret{}, Query: map[string]vendorapi.Secret{}, TTL: t.life(0, 0)}
	for name, value := range t.texts("headers") {
		api.Header[name] = hidden(value)
	}
	api.User, api.Password = t.string("basic_user"), hidden(t.secret("basic_password").Reveal())
	t.together("basic_user", "basic_password", "the user", "the user's password")
	if api.Bearer = hidden(t.secret("bearer_token").Reveal()); t.hasSecret("bearer_token") && t.has("basic_user") {
		t.fault(t.secretKey("bearer_token"), "is given, and basic_user too; leave one of them out")
	}
	for name, value := range t.texts("query") {
		api.Query[name] = hidden(value)
	}
	name, value := t.string("query_secret_name"), t.secret("query_secret")
	t.together("query_secret_name", "query_secret", "the parameter's name", "its value")
	if name != "" {
		api.Query[name] = hidden(value.Reveal())
	}
	api.Pointers = vendorapi.Pointers{Servers: t.pointer("servers_pointer"), Username: t.pointer("username_pointer"),
		Password: t.pointer("password_pointer"), TTL: t.pointer("ttl_pointer"), Expires: t.pointer("expires_pointer")}
	t.eachString("urls", func(key, u string) {
		if _, ok := readURL(t, key, u); ok {
			api.URLs = append(api.URLs, u)
		}
	})
	p.api = api
}

func hidden(value string) vendorapi.Secret { return vendorapi.NewSecret([]byte(value)) }

// together reports which of two keys is missing when the other one is there.
func (t *configTable) together(name, secretName, what, secretWhat string) {
	switch {
	case t.has(name) && !t.hasSecret(secretName):
		t.missing(secretName+"_file", ", and %s is given; name the file that holds %s", name, secretWhat)
	case !t.has(name) && t.hasSecret(secretName):
		t.missing(name, ", and %s is given; write %s", t.secretKey(secretName), what)
	}
}

// pointer returns a JSON Pointer.
func (t *configTable) pointer(name string) string {
	s := t.string(name)
	if s != "" && s[0] != '/' {
		t.fault(name, "%q is not a JSON pointer; write for example \"/data/turn\"", s)
	}
	return s
}

func readCAFile(t *configTable) *x509.CertPool {
	file := t.string("ca_file")
	if file == "" {
		return nil
	}
	pem, file, err := t.r.readBeside(file)
	if err != nil {
		t.fault("ca_file", "%v", err)
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		t.fault("ca_file", "%s holds no certificate; write one into it in PEM form (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool
}

// askAll makes every key known, where the kind of table is not.
func (t *configTable) askAll() {
	for name := range t.values {
		t.asked = append(t.asked, name)
	}
}

func (t *configTable) bool(name string) bool {
	v, ok := t.value(name)
	b, isBool := v.(bool)
	if ok && !isBool {
		t.fault(name, "is %s; write true or false", kindOf(v))
	}
	return b
}

// texts returns a table of texts.
func (t *configTable) texts(name string) map[string]string {
	v, ok := t.value(name)
	if !ok {
		return map[string]string{}
	}
	table, isTable := v.(map[string]any)
	if !isTable {
		t.fault(name, "is %s; write a table, such as { Name = \"value\" }", kindOf(v))
	}
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		text, isText := table[key].(string)
		if !isText {
			t.r.fault(joinKey(t.key(name), key), "is %s; write a text in quotes", kindOf(table[key]))
		}
		out[key] = text
	}
	return out
}

// fingerprint is a digest of everything that stands in the table and in the
// files that it names.
func (t *configTable) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		fmt.Fprintf(h, "%s=%#v\n", name, t.values[name])
		if file, isText := t.values[name].(string); isText && strings.HasSuffix(name, "_file") {
			content, _, _ := t.r.readBeside(file) // a file that cannot be read is a fault already
			fmt.Fprintf(h, "%x\n", sha256.Sum256(content))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

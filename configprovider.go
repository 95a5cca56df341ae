package main

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"extdisco/limit"
	"extdisco/secret"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// providerConfig is an [[ice_server]] whose servers and credentials come from a
// provider over HTTP.
type providerConfig struct {
	name         string // cloudflare, http, …
	key          string // where it stands in the configuration, for messages
	api          *turncred.API
	rootCAs      *x509.CertPool // nil means the system's
	timeout      time.Duration
	minRemaining time.Duration // life that a credential must have left to be given out
	perUser      bool
	perUserRate  limit.Rate
	// revocation returns the request that takes a username back; nil unless
	// asked for.
	revocation func(username string) *turncred.API
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
			t.fault("provider", "%q is not known; known are cloudflare, twilio, metered, xirsys, turn-rest and http", name)
		}
		t.askAll()
		return nil
	}
	p.timeout = t.duration("timeout", defaultProviderTimeout)
	p.minRemaining = t.duration("min_remaining", defaultMinRemaining)
	p.perUser = t.bool("per_user")
	p.perUserRate = t.rate("per_user_rate", defaultPerUserRate)
	if t.has("per_user_rate") && !p.perUser {
		t.fault("per_user_rate", "goes with per_user = true only")
	}
	p.rootCAs = readCAFile(t)
	preset(t, p)
	if p.api == nil {
		return nil
	}
	p.api.KeepPort53 = t.bool("keep_port_53")
	if p.api.TTL > 0 && p.minRemaining >= p.api.TTL {
		t.fault("min_remaining", "%v is not less than the life of the credentials (%v): none would ever be given out", p.minRemaining, p.api.TTL)
	}
	p.fingerprint = t.fingerprint()
	return p
}

// base returns the base address of a vendor, or what stands in url.
func (t *configTable) base(vendor string) string {
	address := t.string("url")
	if address == "" {
		address = vendor
	}
	insecure := t.bool("insecure_http")
	if address == "" {
		return ""
	}
	if err := turncred.CheckURL(address, insecure); errors.Is(err, turncred.ErrInsecure) {
		t.fault("url", "%q is not https, and secrets are sent there; use https, or insecure_http = true in a network that you trust", withoutQuery(address))
	} else if err != nil {
		t.fault("url", "%q %v", withoutQuery(address), err)
	}
	return turncred.TrimBase(address)
}

// withoutQuery cuts what may hold a secret.
func withoutQuery(address string) string {
	if u, err := url.Parse(address); err == nil {
		u.RawQuery, u.User = "", nil
		return u.String()
	}
	return "the address"
}

// life returns the ttl of a provider within the vendor's bounds.
func (t *configTable) life(missing, longest time.Duration) time.Duration {
	ttl := t.duration("ttl", missing)
	if longest > 0 && ttl > longest {
		t.fault("ttl", "%v is longer than the %v that the provider gives at most", ttl, longest)
	}
	return ttl
}

func (t *configTable) required(name, what string) string {
	s := t.string(name)
	if !t.has(name) {
		t.fault(name, "is missing; write %s", what)
	}
	return s
}

func (t *configTable) requiredSecret(name, what string) secret.Secret {
	t.requireSecret(name, what)
	return t.secret(name)
}

func readCloudflare(t *configTable, p *providerConfig) {
	base := t.base(turncred.CloudflareURL)
	keyID := t.required("key_id", "the ID of the TURN key (Realtime, TURN in Cloudflare's dashboard)")
	token := t.requiredSecret("api_token", "the API token of the TURN key")
	ttl := t.life(defaultTTL, turncred.CloudflareMaxTTL)
	identifier := t.string("custom_identifier")
	if identifier == "pseudonym" {
		if !p.perUser {
			t.fault("custom_identifier", "is \"pseudonym\", which needs per_user = true: otherwise all share a credential")
		}
		identifier = "{{user}}"
	}
	p.api = turncred.Cloudflare(base, keyID, token, ttl, identifier)
	if t.bool("revoke_on_exit") {
		if p.perUser {
			t.fault("revoke_on_exit", "does not go with per_user = true")
		}
		p.revocation = func(username string) *turncred.API {
			return turncred.CloudflareRevocation(base, keyID, token, username)
		}
	}
}

func readTwilio(t *configTable, p *providerConfig) {
	base := t.base(turncred.TwilioURL)
	account := t.required("account_sid", "the account SID, from the console")
	user, password := account, secret.Secret{}
	if t.has("key_sid") || t.hasSecret("key_secret") {
		user = t.required("key_sid", "the SID of the API key that key_secret_file belongs to")
		password = t.requiredSecret("key_secret", "the secret of the API key")
		if t.hasSecret("auth_token") {
			t.fault("auth_token", "is given, and an API key too; leave one of them out")
		}
	} else {
		password = t.requiredSecret("auth_token", "the account's auth token (or give key_sid and key_secret_file)")
	}
	t.askSecrets("key_secret", "auth_token")
	t.value("key_sid")
	p.api = turncred.Twilio(base, account, user, password, t.life(turncred.TwilioMaxTTL, turncred.TwilioMaxTTL))
}

func readMetered(t *configTable, p *providerConfig) {
	app := t.string("app")
	vendor := ""
	switch {
	case app != "" && strings.ContainsAny(app, "./:@ "):
		t.fault("app", "%q is not the name of an app: the part before .metered.live", app)
	case app != "":
		vendor = "https://" + app + ".metered.live"
	case !t.has("url"):
		t.fault("app", "is missing; write the name of your app, the part before .metered.live")
	}
	base := t.base(vendor)
	region := t.string("region")
	if t.hasSecret("secret_key") {
		if t.hasSecret("api_key") {
			t.fault("secret_key", "is given, and api_key too; with the secret key a credential is made that expires, with the API key a lasting one is read: leave one of them out")
		}
		t.askSecrets("api_key")
		p.api = turncred.MeteredCreate(base, t.secret("secret_key"), region, t.life(defaultTTL, 0))
		return
	}
	key := t.requiredSecret("api_key", "the API key of a TURN credential (or give secret_key_file, and credentials are made that expire)")
	t.askSecrets("secret_key")
	p.api = turncred.Metered(base, key, region, t.requiredLife())
}

// requiredLife is the ttl of a provider whose answer states none.
func (t *configTable) requiredLife() time.Duration {
	if !t.has("ttl") {
		t.fault("ttl", "is missing, and this provider does not say how long its credentials live; write for example \"24h\"")
	}
	return t.life(defaultTTL, 0)
}

func readXirsys(t *configTable, p *providerConfig) {
	base := t.base(turncred.XirsysURL)
	channel := t.required("channel", "the name of the channel")
	ident := t.required("ident", "the ident of the account")
	password := t.requiredSecret("secret", "the secret of the account")
	p.api = turncred.Xirsys(base, channel, ident, password, t.life(defaultTTL, 0))
}

func readTURNREST(t *configTable, p *providerConfig) {
	if !t.has("url") {
		t.fault("url", "is missing; write the address that gives credentials, such as \"https://turn.example.org/turn\"")
	}
	base := t.base("")
	user := t.string("username")
	if p.perUser && user == "" {
		user = "{{user}}"
	}
	p.api = turncred.TURNREST(base, t.secret("key"), user, t.life(0, 0))
}

func readHTTPProvider(t *configTable, p *providerConfig) {
	if !t.has("url") {
		t.fault("url", "is missing; write the address that gives credentials")
	}
	api := &turncred.API{URL: t.base(""), Method: t.oneOf("method", "GET", "POST", "PUT"), Body: t.string("body"),
		Header: t.texts("headers"), Query: map[string]secret.Secret{}, TTL: t.life(0, 0)}
	api.User, api.Password = t.string("basic_user"), t.secret("basic_password")
	if (api.User == "") != api.Password.IsEmpty() {
		t.fault("basic_user", "basic_user and basic_password_file go together")
	}
	if api.Bearer = t.secret("bearer_token"); !api.Bearer.IsEmpty() && api.User != "" {
		t.fault("bearer_token", "is given, and basic_user too; leave one of them out")
	}
	for name, value := range t.texts("query") {
		api.Query[name] = secret.New(value)
	}
	name, value := t.string("query_secret_name"), t.secret("query_secret")
	if (name == "") != value.IsEmpty() {
		t.fault("query_secret_name", "query_secret_name and query_secret_file go together")
	} else if name != "" {
		api.Query[name] = value
	}
	api.Pointers = turncred.Pointers{Servers: t.string("servers_pointer"), Username: t.string("username_pointer"),
		Password: t.string("password_pointer"), TTL: t.string("ttl_pointer"), Expires: t.string("expires_pointer")}
	t.eachString("urls", func(key, u string) {
		if _, err := xep0215.ParseURI(u); err != nil {
			t.fault(key, "%q %v", u, err)
		}
		api.URLs = append(api.URLs, u)
	})
	p.api = api
}

func readCAFile(t *configTable) *x509.CertPool {
	file := t.string("ca_file")
	if file == "" {
		return nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(t.r.file), file)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		t.fault("ca_file", "cannot be read: %v", err)
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		t.fault("ca_file", "%s holds no certificate in PEM form", file)
	}
	return pool
}

// askSecrets makes keys known that are not read in this combination.
func (t *configTable) askSecrets(names ...string) {
	for _, name := range names {
		t.asked = append(t.asked, name, name+"_file")
	}
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
	for key, value := range table {
		text, isText := value.(string)
		if !isText {
			t.fault(name+"."+key, "is %s; write a text in quotes", kindOf(value))
		}
		out[key] = text
	}
	return out
}

// fingerprint is a digest of everything that stands in the table and in the
// files that it names.
func (t *configTable) fingerprint() [sha256.Size]byte {
	names := make([]string, 0, len(t.values))
	for name := range t.values {
		names = append(names, name)
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%s=%#v\n", name, t.values[name])
		if file, isText := t.values[name].(string); isText && strings.HasSuffix(name, "_file") {
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(t.r.file), file)
			}
			content, _ := os.ReadFile(file) // a file that cannot be read is a fault already
			fmt.Fprintf(h, "%x\n", sha256.Sum256(content))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

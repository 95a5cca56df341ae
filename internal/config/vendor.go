package config

import (
	"regexp"
	"time"

	"extdisco/turncred/provider"
)

func readCloudflare(t *table, p *Provider) {
	base := t.base(provider.CloudflareURL)
	keyID := t.required("key_id", "the ID of the TURN key (Realtime, TURN in Cloudflare's dashboard)")
	token := t.requiredSecret("api_token", "the API token of the TURN key")
	ttl := t.life(DefaultTTL, provider.CloudflareMaxTTL)
	identifier := t.string("custom_identifier")
	if identifier == "pseudonym" {
		if !p.PerUser {
			t.fault("custom_identifier", "is \"pseudonym\", which requires per_user = true; set it, or write another text")
		}
		identifier = "{{user}}"
	}
	p.API = provider.Cloudflare(base, keyID, []byte(token.Reveal()), ttl, identifier)
	if t.bool("revoke_on_exit") {
		if p.PerUser {
			t.fault("revoke_on_exit", "cannot be combined with per_user = true; remove one of them")
		}
		p.Revocation = func(username string) *provider.API {
			return provider.CloudflareRevocation(base, keyID, []byte(token.Reveal()), username)
		}
	}
}

func readTwilio(t *table, p *Provider) {
	base := t.base(provider.TwilioURL)
	account := t.required("account_sid", "the account SID, from the console")
	keySID, keySecret, authToken := t.string("key_sid"), t.secret("key_secret"), t.secret("auth_token")
	user, password := account, authToken
	switch hasKey := t.has("key_sid") || t.hasSecret("key_secret"); {
	case hasKey && t.hasSecret("auth_token"):
		t.fault(t.secretKey("auth_token"), "cannot be combined with an API key (key_sid or key_secret); remove one of them")
	case hasKey:
		user, password = keySID, keySecret
		t.together("key_sid", "key_secret", "the SID of the API key", "the secret of the API key")
	default:
		t.requireSecret("auth_token", "the account's auth token (or give key_sid and key_secret_file)")
	}
	p.API = provider.Twilio(base, account, user, []byte(password.Reveal()), t.life(provider.TwilioMaxTTL, provider.TwilioMaxTTL))
}

// appName is the name of an app at Metered, which is part of a host name.
var appName = regexp.MustCompile(`^[0-9A-Za-z-]+$`)

func readMetered(t *table, p *Provider) {
	app := t.string("app")
	vendor := ""
	switch {
	case appName.MatchString(app):
		vendor = "https://" + app + ".metered.live"
	case app != "":
		t.fault("app", "is not the name of an app; write the part before .metered.live")
	case !t.has("app") && !t.has("url"):
		t.missing("app", "; write the name of your app, the part before .metered.live")
	}
	base := t.base(vendor)
	region, secretKey, apiKey := t.string("region"), t.secret("secret_key"), t.secret("api_key")
	switch {
	case t.hasSecret("secret_key") && t.hasSecret("api_key"):
		t.fault(t.secretKey("secret_key"), "cannot be combined with %s; remove one of them: the secret key makes credentials that expire, the API key uses a lasting one",
			t.secretKey("api_key"))
	case t.hasSecret("api_key"):
		p.API = provider.Metered(base, []byte(apiKey.Reveal()), region, t.requiredLife())
		return
	default:
		t.requireSecret("secret_key", "the secret key of the app (or give api_key_file, the API key of a lasting credential, and ttl)")
	}
	p.API = provider.MeteredCreate(base, []byte(secretKey.Reveal()), region, t.life(DefaultTTL, 0))
}

// requiredLife is the ttl of a provider whose answer states none.
func (t *table) requiredLife() time.Duration {
	if !t.has("ttl") {
		t.missing("ttl", ", and this provider does not say how long its credentials live; write for example \"24h\"")
	}
	return t.life(DefaultTTL, 0)
}

func readXirsys(t *table, p *Provider) {
	base := t.base(provider.XirsysURL)
	channel := t.required("channel", "the name of the channel")
	ident := t.required("ident", "the ident of the account")
	password := t.requiredSecret("secret", "the secret of the account")
	p.API = provider.Xirsys(base, channel, ident, []byte(password.Reveal()), t.life(DefaultTTL, 0))
}

func readTURNREST(t *table, p *Provider) {
	if !t.has("url") {
		t.missing("url", "; write the address that gives credentials, such as \"https://turn.example.org/turn\"")
	}
	address := t.address("")
	user := t.string("username")
	if p.PerUser && user == "" {
		user = "{{user}}"
	}
	p.API = provider.TURNREST(address, []byte(t.secret("key").Reveal()), user, t.life(0, 0))
}

func readHTTPProvider(t *table, p *Provider) {
	if !t.has("url") {
		t.missing("url", "; write the address that gives credentials")
	}
	api := &provider.API{URL: hidden(t.address("")), Method: t.oneOf("method", "GET", "POST", "PUT"), Body: hidden(readBody(t)),
		Header: hiddenTexts(t, "headers"), Query: hiddenTexts(t, "query"), TTL: t.life(0, 0)}
	api.User, api.Password = t.string("basic_user"), hidden(t.secret("basic_password").Reveal())
	t.together("basic_user", "basic_password", "the user", "the user's password")
	if api.Bearer = hidden(t.secret("bearer_token").Reveal()); t.hasSecret("bearer_token") && t.has("basic_user") {
		t.fault(t.secretKey("bearer_token"), "cannot be combined with basic_user; remove one of them")
	}
	api.Pointers = provider.Pointers{Servers: t.pointer("servers_pointer"), Username: t.pointer("username_pointer"),
		Password: t.pointer("password_pointer"), TTL: t.pointer("ttl_pointer"), Expires: t.pointer("expires_pointer")}
	t.eachString("urls", func(key, u string) {
		if _, ok := readURL(t, key, u); ok {
			api.URLs = append(api.URLs, u)
		}
	})
	p.API = api
}

// hiddenTexts returns a table of texts that may hold secrets.
func hiddenTexts(t *table, name string) map[string]provider.Secret {
	out := map[string]provider.Secret{}
	for key, value := range t.secretTexts(name) {
		out[key] = hidden(value.Reveal())
	}
	return out
}

func hidden(value string) provider.Secret { return provider.NewSecret([]byte(value)) }

// readBody reads body or body_file, which may hold a secret beside other text.
func readBody(t *table) string {
	body := t.string("body")
	content, file, ok := t.file("body_file")
	switch {
	case t.has("body") && t.has("body_file"):
		t.fault("body", "cannot be combined with body_file; remove one of them")
	case t.has("body"):
		t.r.inlineSecret = true
	case ok:
		t.r.warnIfPublic(t.key("body_file"), file)
		return decodeText(content)
	}
	return body
}

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
			t.fault("custom_identifier", "is \"pseudonym\", and without per_user = true all share a credential; set that, or write another text")
		}
		identifier = "{{user}}"
	}
	p.API = provider.Cloudflare(base, keyID, []byte(token.Reveal()), ttl, identifier)
	if t.bool("revoke_on_exit") {
		if p.PerUser {
			t.fault("revoke_on_exit", "does not go with per_user = true; leave one of them out")
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
		t.fault(t.secretKey("auth_token"), "is given, and an API key (key_sid or key_secret) too; leave one of them out")
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
	api := &provider.API{URL: hidden(t.address("")), Method: t.oneOf("method", "GET", "POST", "PUT"), Body: hidden(t.string("body")),
		Header: map[string]provider.Secret{}, Query: map[string]provider.Secret{}, TTL: t.life(0, 0)}
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
	api.Pointers = provider.Pointers{Servers: t.pointer("servers_pointer"), Username: t.pointer("username_pointer"),
		Password: t.pointer("password_pointer"), TTL: t.pointer("ttl_pointer"), Expires: t.pointer("expires_pointer")}
	t.eachString("urls", func(key, u string) {
		if _, ok := readURL(t, key, u); ok {
			api.URLs = append(api.URLs, u)
		}
	})
	p.API = api
}

func hidden(value string) provider.Secret { return provider.NewSecret([]byte(value)) }

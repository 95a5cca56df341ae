package provider

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The longest TTLs that vendors give.
const (
	CloudflareMaxTTL = 48 * time.Hour
	TwilioMaxTTL     = 24 * time.Hour
)

// Base addresses of the vendors, which a preset is given where no other one is
// configured.
const (
	CloudflareURL = "https://rtc.live.cloudflare.com/v1"
	TwilioURL     = "https://api.twilio.com"
	XirsysURL     = "https://global.xirsys.net"
)

const jsonType = "application/json"

// Cloudflare asks Cloudflare Realtime TURN. keyID and token are those of a TURN
// key, not of an account. identifier, when not empty, tags the credentials in
// Cloudflare's analytics, and may be {{user}}.
func Cloudflare(base, keyID string, token []byte, ttl time.Duration, identifier string) *API {
	body := map[string]any{"ttl": int64(ttl / time.Second)}
	if identifier != "" {
		body["customIdentifier"] = identifier
	}
	return &API{
		Method: http.MethodPost,
		URL:    text(base + "/turn/keys/" + url.PathEscape(keyID) + "/credentials/generate-ice-servers"),
		Header: contentType(jsonType),
		Body:   marshal(body),
		Bearer: NewSecret(token),
		TTL:    ttl,
		Cures: map[int]string{
			400: "the request was not understood; check ttl (1s to 48h)",
			401: "the API token is wrong; use the token that was shown when the TURN key was made (api_token_file)",
			403: "the API token is wrong or lacks permission; use the token that was shown when the TURN key was made (api_token_file)",
			404: "there is no TURN key with this key_id; see Realtime, TURN in the dashboard",
			429: "too many requests; extdisco asks again later",
		},
	}
}

// CloudflareRevocation takes back a credential that [Cloudflare] gave, when it is
// sent with [API.Send]. Calls that use it are cut.
func CloudflareRevocation(base, keyID string, token []byte, username string) *API {
	return &API{
		Method: http.MethodPost,
		URL:    text(base + "/turn/keys/" + url.PathEscape(keyID) + "/credentials/" + url.PathEscape(username) + "/revoke"),
		Bearer: NewSecret(token),
	}
}

// Twilio asks Twilio's Network Traversal Service. user is the account SID or the
// SID of an API key, password what belongs to it.
func Twilio(base, accountSID, user string, password []byte, ttl time.Duration) *API {
	return &API{
		Method:   http.MethodPost,
		URL:      text(base + "/2010-04-01/Accounts/" + url.PathEscape(accountSID) + "/Tokens.json"),
		Header:   contentType("application/x-www-form-urlencoded"),
		Body:     text("Ttl={{ttl}}"),
		User:     user,
		Password: NewSecret(password),
		TTL:      ttl,
		Cures: map[int]string{
			400: "the request was not understood; check ttl (at most 24h)",
			401: "account_sid, key_sid or the secret is wrong; see the console's account page",
			403: "the account may not do this; see whether it is suspended",
			404: "there is no account with this account_sid",
			429: "too many requests; extdisco asks again later",
		},
	}
}

// Metered asks for the servers that belong to an API key of metered.ca. What it
// gives does not say when it expires: ttl says how long clients may use it.
func Metered(base string, apiKey []byte, region string, ttl time.Duration) *API {
	a := &API{
		Method: http.MethodGet,
		URL:    text(base + "/api/v1/turn/credentials"),
		Query:  map[string]Secret{},
		TTL:    ttl,
		Cures: map[int]string{
			400: "the API key is missing or not understood; check api_key_file",
			401: "the API key is wrong; see TURN Server, Credentials in the dashboard (api_key_file)",
			404: "check app: the name before .metered.live",
			429: "too many requests; extdisco asks again later",
		},
	}
	if len(apiKey) > 0 {
		a.Query["apiKey"] = NewSecret(apiKey)
	}
	if region != "" {
		a.Query["region"] = text(region)
	}
	return a
}

// MeteredCreate makes a new credential at metered.ca that expires, and asks for
// the servers that belong to it.
func MeteredCreate(base string, secretKey []byte, region string, ttl time.Duration) *API {
	return &API{
		Method: http.MethodPost,
		URL:    text(base + "/api/v1/turn/credential"),
		Header: contentType(jsonType),
		Body:   marshal(map[string]any{"expiryInSeconds": int64(ttl / time.Second), "label": "extdisco"}),
		Query:  map[string]Secret{"secretKey": NewSecret(secretKey)},
		TTL:    ttl,
		Cures: map[int]string{
			400: "the request was not understood; check ttl",
			401: "the secret key is wrong; see Developers in the dashboard (secret_key_file)",
			403: "the secret key is wrong; see Developers in the dashboard (secret_key_file)",
			404: "check app: the name before .metered.live",
			429: "too many requests; extdisco asks again later",
		},
		Then:  Metered(base, nil, region, ttl),
		Carry: map[string]string{"apiKey": "/apiKey"},
	}
}

// Xirsys asks Xirsys for the servers of a channel.
func Xirsys(base, channel, ident string, password []byte, ttl time.Duration) *API {
	return &API{
		Method:   http.MethodPut,
		URL:      text(base + "/_turn/" + url.PathEscape(channel)),
		Header:   contentType(jsonType),
		Body:     marshal(map[string]any{"format": "urls", "expire": int64(ttl / time.Second)}),
		User:     ident,
		Password: NewSecret(password),
		TTL:      ttl,
		Cures: map[int]string{
			200: "check ident, secret and channel; see the dashboard", // it says no with this status too
			401: "ident or secret is wrong; see the dashboard",
			403: "ident or secret is wrong, or the account is not active; see the dashboard",
			404: "there is no such channel; check channel",
			429: "too many requests; extdisco asks again later",
		},
	}
}

// TURNREST asks a server of the TURN REST API
// (draft-uberti-behave-turn-rest-00 §2.1). ttl counts where its answer states
// none.
func TURNREST(address string, key []byte, user string, ttl time.Duration) *API {
	a := &API{
		Method: http.MethodGet,
		URL:    text(address),
		Query:  map[string]Secret{"service": text("turn")},
		TTL:    ttl,
		Cures: map[int]string{
			400: "the request was not understood; check url",
			401: "the key is wrong or missing; check key_file",
			403: "the key is wrong or missing; check key_file",
			404: "check url",
			429: "too many requests; extdisco asks again later",
		},
	}
	if len(key) > 0 {
		a.Query["key"] = NewSecret(key)
	}
	if user != "" {
		a.Query["username"] = text(user)
	}
	return a
}

// TrimBase returns a base address without the slash at its end.
func TrimBase(base string) string { return strings.TrimRight(base, "/") }

// text returns a Secret that is none.
func text(value string) Secret { return NewSecret([]byte(value)) }

func contentType(kind string) map[string]Secret {
	return map[string]Secret{"Content-Type": text(kind)}
}

// marshal returns a body in JSON.
func marshal(v map[string]any) Secret {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // of numbers and texts: cannot fail
	}
	return NewSecret(body)
}

package probe

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/secret"
)

// sign returns the password of a username under a shared secret.
func sign(sharedSecret, username string) string {
	mac := hmac.New(sha1.New, []byte(sharedSecret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// A server that refuses our credential is asked what is wrong with it.
func TestWhyACredentialIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	// asCoturn takes "<expires>:<user>" by a clock that is ahead of ours.
	asCoturn := func(sharedSecret string, ahead int64) func(string) (string, bool) {
		return func(username string) (string, bool) {
			expires, _, ok := strings.Cut(username, ":")
			n, err := strconv.ParseInt(expires, 10, 64)
			return sign(sharedSecret, username), ok && err == nil && n >= now+ahead
		}
	}
	bare := func(username string) (string, bool) {
		n, err := strconv.ParseInt(username, 10, 64)
		return sign("secret", username), err == nil && n >= now
	}
	asEjabberd := func(host string) func(string) (string, bool) {
		return func(username string) (string, bool) {
			_, user, _ := strings.Cut(username, ":")
			return sign("secret", username), len(user) == 16 && user[8:] == ejabberdUsername("", host)[9:]
		}
	}
	tests := []struct {
		name string
		auth func(username string) (string, bool)
		sign string // the secret that we have; "" for a fixed account
		want Kind
		cure string
		// previous is the secret that we had before; "" for none
		previous string
	}{
		{"the previous secret", asCoturn("before", 0), "secret", KindPrevious, "restart the TURN server", "before"},
		{"neither the new nor the previous secret", asCoturn("another", 0), "secret", KindUnauthorized, "use-auth-secret", "before"},
		{"a clock that is ahead, and a previous secret", asCoturn("secret", 7*86400), "secret", KindClock, "NTP", "before"},
		{"nothing", asCoturn("secret", 0), "secret", "", "", ""},
		{"another secret", asCoturn("another", 0), "secret", KindUnauthorized, "lt-cred-mech", ""},
		{"a clock that is days ahead", asCoturn("secret", 7*86400), "secret", KindClock, "NTP", ""},
		{"that, and another secret", asCoturn("another", 7*86400), "secret", KindUnauthorized, "use-auth-secret", ""},
		{"a bare time", bare, "secret", KindUsernameForm, "LongTermTURNRESTAuthHandler", ""},
		{"ejabberd's form", asEjabberd("example.org"), "secret", KindUsernameForm, `username_form = "ejabberd" and realm = "example.org"`, ""},
		{"ejabberd's form, of another host", asEjabberd("other.example.org"), "secret", KindUnauthorized, "", ""},
		{"a fixed account", asCoturn("another", 0), "", KindUnauthorized, "username and password", ""},
	}
	for _, tt := range tests {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				s := startRelay(t, relayConfig{auth: tt.auth})
				s.Transport, s.Username = transport, strconv.FormatInt(now+3600, 10)+":healthcheck"
				s.Password = secret.New(sign("secret", s.Username))
				var mu sync.Mutex
				var signed []string
				if tt.previous != "" {
					s.SignPrevious = func(username string) secret.Secret { return secret.New(sign(tt.previous, username)) }
				}
				if tt.sign != "" {
					s.Sign = func(username string) secret.Secret {
						mu.Lock()
						defer mu.Unlock()
						signed = append(signed, username)
						return secret.New(sign(tt.sign, username))
					}
				}
				f := Try(t.Context(), s, Options{Depth: Allocate, Timeout: 8 * time.Second}).Worst()
				if (f == nil) != (tt.want == "") {
					t.Fatalf("%v", f)
				}
				if f == nil {
					if signed != nil {
						t.Errorf("signed %q for nothing", signed)
					}
					return
				}
				if f.Kind != tt.want || f.Code != 401 || !strings.Contains(f.Cure(), tt.cure) || f.Problem() == "" || isMisconfiguration(f) == (f.Kind == KindPrevious) {
					t.Errorf("%q: %s; %s", f.Kind, f, f.Cure())
				}
				for _, username := range append(signed, s.Username) {
					if text := f.Error() + f.Cure(); strings.Contains(text, sign("secret", username)) || strings.Contains(text, sign("before", username)) || strings.Contains(text, username) {
						t.Errorf("has the credential: %s", text)
					}
				}
			})
		}
	}
}

// What the server calls itself helps where no guess is accepted; and a server that is
// full has accepted the credential.
func TestRefusalsThatTellMore(t *testing.T) {
	t.Parallel()
	realm, nonce := stun.NewRealm("example.org"), stun.NewNonce("nonce")
	refuse := func(m *stun.Message) []byte {
		return reply(m, stun.ClassErrorResponse, stun.CodeUnauthorized, realm, nonce, stun.NewSoftware("ejabberd 24.12"))
	}
	unless := func(prefix string, answer func(m *stun.Message) []byte) func(int, *stun.Message) []byte {
		return func(_ int, m *stun.Message) []byte {
			if username, err := m.Get(stun.AttrUsername); err == nil && strings.HasPrefix(string(username), prefix) {
				return answer(m)
			}
			return refuse(m)
		}
	}
	saying := func(code stun.ErrorCode) func(m *stun.Message) []byte {
		return func(m *stun.Message) []byte { return reply(m, stun.ClassErrorResponse, code) }
	}
	tests := []struct {
		name   string
		answer func(n int, m *stun.Message) []byte
		fixed  bool
		want   Kind
		says   string
	}{
		{"ejabberd", unless("x", refuse), false, KindUnauthorized, "mod_stun_disco"},
		{"ejabberd, for a fixed account", unless("x", refuse), true, KindUnauthorized, "username and password"},
		{"a quota", unless(farExpiry, saying(stun.CodeAllocQuotaReached)), false, KindClock, "NTP"},
		{"no port", unless(farExpiry, saying(stun.CodeInsufficientCapacity)), false, KindClock, "NTP"},
		{"another error", unless(farExpiry, saying(stun.CodeBadRequest)), false, KindUnauthorized, "mod_stun_disco"},
		{"silence", unless(farExpiry, func(*stun.Message) []byte { return nil }), false, KindUnauthorized, "use-auth-secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := relaying(t, tt.answer)
			if !tt.fixed {
				s.Sign = func(string) secret.Secret { return secret.New("password") }
			}
			f := Try(t.Context(), s, Options{Depth: Allocate, Timeout: 3 * time.Second}).Worst()
			if f == nil || f.Kind != tt.want || !strings.Contains(f.Cure(), tt.says) || !strings.Contains(f.Problem(), "ejabberd's own TURN server") {
				t.Errorf("%v; %s", f, f.Cure())
			}
		})
	}
}

func TestGuesses(t *testing.T) {
	t.Parallel()
	for username, want := range map[string]int{"1700000000:healthcheck": 3, "healthcheck": 0, "1700000000": 0, "user:1700000000": 0, "": 0} {
		if got := (&attempt{server: Server{Username: username}}).guesses("example.org"); len(got) != want {
			t.Errorf("%q: %d guesses", username, len(got))
		}
	}
	if got := (&attempt{server: Server{Username: "1700000000:healthcheck"}}).guesses("example.org")[0].username; got != "2147483647:healthcheck" {
		t.Error(got)
	}
	// As ejabberd 23.01 computes it for the host example.org.
	if got := ejabberdUsername("1", "example.org"); got != "1:00000000"+hexOfSHA1("example.org") {
		t.Error(got)
	}
}

func hexOfSHA1(s string) string {
	sum := sha1.Sum([]byte(s))
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, x := range sum[:4] {
		b.WriteByte(digits[x>>4])
		b.WriteByte(digits[x&15])
	}
	return b.String()
}

func TestServersThatNameThemselves(t *testing.T) {
	t.Parallel()
	for software, want := range map[string]bool{"ejabberd": true, "ejabberd 24.12": true, "P1 STUN library": true, "Coturn-4.6.1 'Gorst'": false, "": false} {
		if isEjabberd(software) != want {
			t.Errorf("%q", software)
		}
	}
}

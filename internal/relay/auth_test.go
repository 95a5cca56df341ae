package relay

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// restPassword is the password of the TURN REST API, written here again so that a
// mistake in the relay does not agree with itself.
func restPassword(username, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSecretsAreNotLogged(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	for transport := range transports {
		c := r.raw(transport, "alice")
		c.allocate()
		c.key[0]++
		c.request(stun.MethodRefresh)
	}
	username, password := credential("alice", time.Now(), testSecret)
	for _, hidden := range []string{testSecret, password, username} {
		if strings.Contains(r.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
}

func TestTwoSecretsAreGood(t *testing.T) {
	cfg := loopback(t)
	cfg.Secrets = Fixed([]byte("the new one"), []byte("the old one"))
	r := startRelay(t, cfg)
	username, _ := credential("alice", time.Now().Add(time.Hour), "")
	for secret, want := range map[string]stun.ErrorCode{"the new one": 0, "the old one": 0, "another one": stun.CodeUnauthorized} {
		for transport := range transports {
			if code := r.rawWith(transport, username, secret).allocate(); code != want {
				t.Errorf("%s with %s: %d, want %d", transport, secret, code, want)
			}
		}
	}
}

package relay

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
)

// restPassword is the password of the TURN REST API, written here again so that a
// mistake in the relay does not agree with itself.
func restPassword(username, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

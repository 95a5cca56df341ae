package relay

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// maxUsername is the longest USERNAME that is looked at (RFC 8489 §14.3).
const maxUsername = 512

// login is what a request with a valid MESSAGE-INTEGRITY proves.
type login struct {
	user    string // the part of the username behind the colon
	key     []byte // of MESSAGE-INTEGRITY
	expires time.Time
}

// authenticate returns the login of a request whose MESSAGE-INTEGRITY was made
// with a credential of ours. Whether that has expired is for the caller to judge:
// what was let in once may go on.
func authenticate(m *stun.Message, realm string, secrets [][]byte) (login, bool) {
	var username stun.Username
	if username.GetFrom(m) != nil || len(username) > maxUsername {
		return login{}, false
	}
	name := string(username)
	digits, user, found := strings.Cut(name, ":")
	expires, err := strconv.ParseUint(digits, 10, 40)
	if !found || err != nil || user == "" {
		return login{}, false
	}
	for _, secret := range secrets {
		key := integrityKey(name, realm, secret)
		if stun.MessageIntegrity(key).Check(m) == nil {
			return login{user: user, key: key, expires: time.Unix(int64(expires), 0)}, true
		}
	}
	return login{}, false
}

// integrityKey returns MD5(username ":" realm ":" password) of RFC 8489 §9.2.2,
// with the password of the TURN REST API, base64(HMAC-SHA1(secret, username)).
func integrityKey(username, realm string, secret []byte) []byte {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	password := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	sum := md5.Sum([]byte(username + ":" + realm + ":" + password))
	return sum[:]
}

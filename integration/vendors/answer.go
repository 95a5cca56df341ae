package vendors

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// What the server knows. Each is right for one vendor and wrong for the others.
const (
	CloudflareKeyID = "c10d000000000000000000000000f1a5"
	CloudflareToken = "c10dcafe0000000000000000000000000000000000000000000000000000f00d"

	TwilioAccountSID = "AC00000000000000000000000000000001"
	TwilioAuthToken  = "twilio-auth-token-of-the-tests"
	TwilioKeySID     = "SK00000000000000000000000000000002"
	TwilioKeySecret  = "twilio-key-secret-of-the-tests"

	MeteredAPIKey    = "metered-api-key-of-the-tests"
	MeteredSecretKey = "metered-secret-key-of-the-tests"

	XirsysIdent   = "tester"
	XirsysSecret  = "xirsys-secret-of-the-tests"
	XirsysChannel = "default"

	RESTKey     = "turn-rest-key-of-the-tests"
	MatrixToken = "matrix-access-token-of-the-tests"
	BearerToken = "bearer-token-of-the-tests"
)

// Paths of the servers that have no documented ones, or whose path is all that
// is configured.
const (
	RESTPath    = "/turn/credentials"                  // as nextcloud-spreed-signaling
	ICEPath     = "/ice"                               // STUNner
	MatrixPath  = "/_matrix/client/v3/voip/turnServer" // Matrix
	ExpiresPath = "/api/ice-servers"                   // ice_servers and expires_at, with a bearer token
)

// OlderPath is the one that Cloudflare documented before, for a custom URL.
const OlderPath = "/v1/turn/keys/" + CloudflareKeyID + "/credentials/generate"

const jsonType = "application/json"

func (s *Server) routes() {
	s.mux.HandleFunc("POST /v1/turn/keys/{id}/credentials/generate-ice-servers", s.cloudflare)
	s.mux.HandleFunc("POST /v1/turn/keys/{id}/credentials/generate", s.cloudflareOlder)
	s.mux.HandleFunc("POST /v1/turn/keys/{id}/credentials/{username}/revoke", s.cloudflareRevoke)
	s.mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Tokens.json", s.twilio)
	s.mux.HandleFunc("POST /api/v1/turn/credential", s.meteredCreate)
	s.mux.HandleFunc("GET /api/v1/turn/credentials", s.metered)
	s.mux.HandleFunc("PUT /_turn/{channel}", s.xirsys)
	s.mux.HandleFunc("GET /{$}", s.turnREST)
	s.mux.HandleFunc("GET "+RESTPath, s.turnREST)
	s.mux.HandleFunc("GET "+ICEPath, s.stunner)
	s.mux.HandleFunc("GET "+MatrixPath, s.matrix)
	s.mux.HandleFunc("GET "+ExpiresPath, s.expiresAt)
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	separator := byte('{')
	for _, m := range o {
		b.WriteByte(separator)
		separator = ','
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // of texts, numbers and lists: cannot fail
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// readJSON reads the body of a request, which must be declared as JSON and must
// hold nothing that value does not know.
func readJSON(r *http.Request, value any) (status int, err error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != jsonType {
		return http.StatusUnsupportedMediaType, fmt.Errorf("content type %q", kind)
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return http.StatusBadRequest, err
	}
	if decoder.More() {
		return http.StatusBadRequest, errors.New("more than one value")
	}
	return 0, nil
}

// same compares what is secret.
func same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

// bearer returns the token of a request.
func bearer(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// credential is one that was minted.
type credential struct {
	username, password string
	expires            time.Time
}

// mint makes a credential that lives for ttl. Without a shared secret both parts
// are hexadecimal digits, as many as given.
func (s *Server) mint(ttl time.Duration, digits int) credential {
	s.mu.Lock()
	s.minted++
	n := s.minted
	s.mu.Unlock()
	expires := s.cfg.Now().Add(ttl)
	if s.cfg.Secret == "" {
		hash := func(part string) string {
			sum := sha512.Sum384(fmt.Appendf(nil, "%s %d", part, n))
			return hex.EncodeToString(sum[:])[:digits]
		}
		return credential{hash("username"), hash("password"), expires}
	}
	// draft-uberti-behave-turn-rest-00 §2.2
	username := fmt.Sprintf("%d:%016x", expires.Unix(), n)
	mac := hmac.New(sha1.New, []byte(s.cfg.Secret))
	mac.Write([]byte(username))
	return credential{username, base64.StdEncoding.EncodeToString(mac.Sum(nil)), expires}
}

// urls returns the URIs to name, STUN and TURN apart: the vendor's, or those of
// the configuration.
func (s *Server) urls(documented ...string) (stun, turn []string) {
	list := s.cfg.URLs
	if len(list) == 0 {
		list = documented
	}
	for _, u := range list {
		if strings.HasPrefix(u, "stun") {
			stun = append(stun, u)
		} else {
			turn = append(turn, u)
		}
	}
	return stun, turn
}

// seconds returns a TTL given in whole seconds.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"extdisco/internal/limit"
)

// maxUser is the longest name of a user that a client may ask for, in bytes.
const maxUser = 256

// endpoint is one of the forms in which clients get credentials.
type endpoint struct {
	name string
	// answer returns the document, or nil when there is nothing to put into it.
	answer func(servers []ICEServer, now time.Time) any
}

var (
	turnEndpoint = endpoint{"turn", turnDocument}
	iceEndpoint  = endpoint{"ice", iceDocument}
)

// turnAnswer is the answer of the TURN REST API,
// draft-uberti-behave-turn-rest-00 §2.2.
type turnAnswer struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TTL      int64    `json:"ttl,omitempty"` // seconds; Janus takes whole ones only
	URIs     []string `json:"uris"`
}

// turnDocument has the first server with a credential, since the form has room for
// one only. Clients do not expect STUN in it.
func turnDocument(servers []ICEServer, now time.Time) any {
	for _, s := range servers {
		a := turnAnswer{Username: s.Username, Password: s.Credential, TTL: secondsLeft(s.Expires, now)}
		for _, url := range s.URLs {
			if strings.HasPrefix(url, "turn") {
				a.URIs = append(a.URIs, url)
			}
		}
		if s.Username != "" && len(a.URIs) > 0 {
			return a
		}
	}
	return nil
}

// iceAnswer is a list of RTCIceServer dictionaries (WebRTC §4.2.4), in an object as
// most providers use.
type iceAnswer struct {
	ICEServers []rtcICEServer `json:"iceServers"`
	TTL        int64          `json:"ttl,omitempty"` // seconds until the first one expires
}

type rtcICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

func iceDocument(servers []ICEServer, now time.Time) any {
	var a iceAnswer
	for _, s := range servers {
		a.ICEServers = append(a.ICEServers, rtcICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
		if left := secondsLeft(s.Expires, now); left > 0 && (a.TTL == 0 || left < a.TTL) {
			a.TTL = left
		}
	}
	if len(servers) == 0 {
		return nil
	}
	return a
}

func secondsLeft(expires, now time.Time) int64 {
	if expires.IsZero() {
		return 0
	}
	return max(int64(expires.Sub(now)/time.Second), 0)
}

// rest answers a client, which its key identifies.
func (s *Site) rest(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		outcome := s.answerREST(w, r, e)
		s.cfg.Backend.Gave(e.name, outcome)
	}
}

func (s *Site) answerREST(w http.ResponseWriter, r *http.Request, e endpoint) (outcome string) {
	now := time.Now()
	if err := r.ParseForm(); err != nil { // the query and, of a POST, the body
		return refuse(w, http.StatusBadRequest, "bad-request", "the query or the body cannot be read")
	}
	keys := givenKeys(r)
	client, ok := s.clientOf(keys)
	if !ok {
		return s.refuseKey(w, r, e, len(keys) > 0, now)
	}
	user := r.Form.Get("username")
	switch {
	case r.Form.Get("service") != "turn" && hasForeignBody(r):
		return refuseBody(w)
	case r.Form.Get("service") != "turn":
		return refuse(w, http.StatusBadRequest, "bad-request", "service must be turn: "+r.URL.Path+"?service=turn")
	case len(user) > maxUser:
		return refuse(w, http.StatusBadRequest, "bad-request", fmt.Sprintf("the username has more than %d bytes", maxUser))
	}
	servers, err := s.cfg.Backend.Credentials(r.Context(), client, user, now)
	if err != nil {
		return refuseError(w, err)
	}
	document := e.answer(servers, now)
	if document == nil {
		return refuseError(w, ErrUnavailable)
	}
	writeJSON(w, http.StatusOK, document)
	return "given"
}

// refuseKey refuses a request whose key is missing or, when one was given, wrong.
func (s *Site) refuseKey(w http.ResponseWriter, r *http.Request, e endpoint, given bool, now time.Time) (outcome string) {
	if !given && hasForeignBody(r) {
		return refuseBody(w)
	}
	if s.told.Over([]byte("key"), nil, now) == limit.None {
		s.cfg.Log.Warn("refused a request for credentials over HTTP: the key is missing or wrong",
			"do", "give the service the key of its [[rest_client]], as key=, api= or in Authorization: Bearer", "endpoint", e.name, "from", sender(r))
	}
	switch {
	case !given:
		return refuse(w, http.StatusForbidden, "forbidden", "the key is missing; send it as key=, api= or in Authorization: Bearer")
	case s.brake(w, r, now):
		refuse(w, http.StatusTooManyRequests, "too-many-requests", "the key is wrong, like others before it; the right one is accepted at any time")
		return "limited"
	}
	return refuse(w, http.StatusForbidden, "forbidden", "the key is wrong")
}

const formType = "application/x-www-form-urlencoded"

// hasForeignBody reports whether a request has a body of a kind that is not read,
// such as JSON.
func hasForeignBody(r *http.Request) bool {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.ContentLength != 0 && mediaType != formType
}

func refuseBody(w http.ResponseWriter) (outcome string) {
	return refuse(w, http.StatusUnsupportedMediaType, "unsupported-media-type",
		"the body is not read, because its Content-Type is not "+formType+"; send key, service and username in that form, or in the query")
}

// givenKeys returns the keys of a request. Janus calls the key api and key, and
// sends both.
func givenKeys(r *http.Request) (keys []string) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, given := range []string{r.Form.Get("key"), r.Form.Get("api"), bearer} {
		if given != "" {
			keys = append(keys, given)
		}
	}
	return keys
}

// clientOf returns the name of the client that has one of the keys. Every key is
// compared, so that the time does not tell which one was nearly right.
func (s *Site) clientOf(keys []string) (name string, ok bool) {
	for _, given := range keys {
		for _, c := range s.cfg.Clients {
			if sameSecret(given, c.Key) {
				name, ok = c.Name, true
			}
		}
	}
	return name, ok
}

// errorAnswer is the answer to whatever is refused.
type errorAnswer struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// refuse answers with an error and returns how that is counted.
func refuse(w http.ResponseWriter, status int, code, message string) (outcome string) {
	writeJSON(w, status, errorAnswer{Error: code, Message: message})
	return "refused"
}

// refuseError answers with an error of the backend.
func refuseError(w http.ResponseWriter, err error) (outcome string) {
	if errors.Is(err, ErrLimited) {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusTooManyRequests, "too-many-requests", ErrLimited.Error())
		return "limited"
	}
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, "unavailable", ErrUnavailable.Error())
	return "unavailable"
}

func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(document) // the client is gone
}

package vendors

import (
	"net/http"
	"strconv"
	"time"
)

// day is the TTL that the draft recommends, in seconds.
const day = 86400

// turnREST answers as draft-uberti-behave-turn-rest-00 §2.2 says, and refuses as
// nextcloud-spreed-signaling does. Janus calls the key api.
func (s *Server) turnREST(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	key := query.Get("key")
	if key == "" {
		key = query.Get("api")
	}
	switch {
	case query.Get("service") != "turn", key == "":
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
	case !same(key, RESTKey):
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
	default:
		s.draftAnswer(w)
	}
}

// matrix answers in the form of the draft too.
func (s *Server) matrix(w http.ResponseWriter, r *http.Request) {
	switch token, ok := bearer(r); {
	case !ok:
		writeJSON(w, http.StatusUnauthorized, object{{"errcode", "M_MISSING_TOKEN"}, {"error", "Missing access token"}})
	case !same(token, MatrixToken):
		writeJSON(w, http.StatusUnauthorized, object{{"errcode", "M_UNKNOWN_TOKEN"}, {"error", "Unrecognised access token"}})
	default:
		s.draftAnswer(w)
	}
}

func (s *Server) draftAnswer(w http.ResponseWriter) {
	c := s.mint(day*time.Second, 32)
	_, turn := s.urls("turn:192.0.2.4:9991?transport=udp", "turn:192.0.2.4:9992?transport=tcp", "turns:192.0.2.4:443?transport=tcp")
	writeJSON(w, http.StatusOK, object{
		{"username", c.username}, {"password", c.password}, {"ttl", day}, {"uris", turn},
	})
}

// stunner answers with an RTCConfiguration and does not say when it expires. It
// asks for no authentication.
func (s *Server) stunner(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	ttl := day
	if asked := query.Get("ttl"); asked != "" {
		var err error
		if ttl, err = strconv.Atoi(asked); err != nil || ttl < 1 {
			http.Error(w, "invalid ttl", http.StatusBadRequest)
			return
		}
	}
	if service := query.Get("service"); service != "" && service != "turn" {
		http.Error(w, "invalid service", http.StatusBadRequest)
		return
	}
	c := s.mint(seconds(ttl), 32)
	_, turn := s.urls("turn:192.0.2.4:3478?transport=udp")
	writeJSON(w, http.StatusOK, object{
		{"iceServers", []object{{{"username", c.username}, {"credential", c.password}, {"urls", turn}}}},
		{"iceTransportPolicy", "all"},
	})
}

// expiresAt answers with an absolute expiry, as some smaller services do.
func (s *Server) expiresAt(w http.ResponseWriter, r *http.Request) {
	if token, _ := bearer(r); !same(token, BearerToken) {
		writeJSON(w, http.StatusUnauthorized, object{{"error", "unauthorized"}})
		return
	}
	c := s.mint(time.Hour, 32)
	stun, turn := s.urls("stun:stun.example.org:3478", "turn:turn.example.org:3478?transport=udp")
	var list []object
	if len(stun) > 0 {
		list = append(list, object{{"urls", stun}})
	}
	list = append(list, object{{"urls", turn}, {"username", c.username}, {"credential", c.password}})
	writeJSON(w, http.StatusOK, object{{"ice_servers", list}, {"expires_at", c.expires.UTC().Format(time.RFC3339)}})
}

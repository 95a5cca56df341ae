package web

import (
	"net/http"
	"strings"
	"time"

	"extdisco/internal/limit"
)

// tryServer is a server that the page tries. Each URL is one, so that the page can
// say of each whether it works.
type tryServer struct {
	rtcICEServer
	Expires *time.Time `json:"expires,omitempty"`
}

// try gives the page's script the servers to try and a credential for each.
func (s *Site) try(w http.ResponseWriter, r *http.Request) {
	outcome := s.answerTry(w, r)
	s.cfg.Backend.Gave("page", outcome)
}

func (s *Site) answerTry(w http.ResponseWriter, r *http.Request) (outcome string) {
	now := time.Now()
	if err := s.origins.Check(r); err != nil {
		return refuse(w, http.StatusForbidden, "forbidden", "other websites get no credentials; if this is your page behind a proxy, add its name to http.hosts")
	}
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.cfg.Token.IsEmpty():
		return refuse(w, http.StatusForbidden, "forbidden", "this page has no token; set http.token_file and reload the configuration")
	case !found || token == "":
		return refuse(w, http.StatusUnauthorized, "unauthorized", "the token is missing")
	case !sameSecret(token, s.cfg.Token):
		return s.refuseToken(w, r, now)
	}
	if s.trials.Over(nil, nil, now) != limit.None {
		return refuseError(w, ErrLimited)
	}
	servers, err := s.cfg.Backend.Trial(r.Context(), now)
	if err != nil {
		return refuseError(w, err)
	}
	document := struct {
		Servers []tryServer `json:"servers"`
	}{Servers: []tryServer{}}
	for _, server := range servers {
		for _, url := range server.URLs {
			t := tryServer{rtcICEServer: rtcICEServer{URLs: []string{url}, Username: server.Username, Credential: server.Credential}}
			if !server.Expires.IsZero() {
				t.Expires = &server.Expires
			}
			document.Servers = append(document.Servers, t)
		}
	}
	writeJSON(w, http.StatusOK, document)
	return "given"
}

// refuseToken refuses a request with a wrong token.
func (s *Site) refuseToken(w http.ResponseWriter, r *http.Request, now time.Time) (outcome string) {
	if s.told.Over([]byte("token"), nil, now) == limit.None {
		s.cfg.Log.Warn("refused to try the relays from the status page: the token is wrong",
			"do", "use the token of http.token_file, or the one that was shown on the terminal at the start", "from", sender(r))
	}
	if s.brake(w, r, now) {
		refuse(w, http.StatusTooManyRequests, "too-many-requests", "the token is wrong, like others before it; check it and try again in a minute")
		return "limited"
	}
	return refuse(w, http.StatusForbidden, "forbidden", "the token is wrong")
}

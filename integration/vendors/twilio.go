package vendors

import (
	"mime"
	"net/http"
	"strconv"
)

// twilioMaxTTL is 24 hours, in seconds. It is what is given where none is asked
// for, too.
const twilioMaxTTL = 86400

func (s *Server) twilio(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	switch {
	case user == TwilioAccountSID && same(password, TwilioAuthToken):
	case user == TwilioKeySID && same(password, TwilioKeySecret):
	default:
		twilioRefuses(w, http.StatusUnauthorized, 20003, "Authenticate")
		return
	}
	if r.PathValue("account") != TwilioAccountSID {
		twilioRefuses(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
		return
	}
	// Twilio's answer to another content type is not documented.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		twilioRefuses(w, http.StatusUnsupportedMediaType, 20415, "Unsupported Media Type")
		return
	}
	ttl := twilioMaxTTL
	if asked := r.PostFormValue("Ttl"); asked != "" {
		var err error
		if ttl, err = strconv.Atoi(asked); err != nil || ttl < 1 || ttl > twilioMaxTTL {
			twilioRefuses(w, http.StatusBadRequest, 20001, "Ttl is out of range")
			return
		}
	}
	s.twilioAnswer(w, ttl)
}

// twilioAnswer has the TTL as a text, each URL twice, and no lists of URLs.
func (s *Server) twilioAnswer(w http.ResponseWriter, ttl int) {
	c := s.mint(seconds(ttl), 64)
	date := s.cfg.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")
	stun, turn := s.urls("stun:global.stun.twilio.com:3478",
		"turn:global.turn.twilio.com:3478?transport=udp",
		"turn:global.turn.twilio.com:3478?transport=tcp", "turn:global.turn.twilio.com:443?transport=tcp")
	var list []object
	for _, u := range stun {
		list = append(list, object{{"url", u}, {"urls", u}})
	}
	for _, u := range turn {
		list = append(list, object{{"url", u}, {"urls", u}, {"username", c.username}, {"credential", c.password}})
	}
	writeJSON(w, http.StatusCreated, object{
		{"username", c.username}, {"password", c.password}, {"ttl", strconv.Itoa(ttl)},
		{"account_sid", TwilioAccountSID}, {"date_created", date}, {"date_updated", date},
		{"ice_servers", list},
	})
}

func twilioRefuses(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, object{
		{"code", code}, {"message", message},
		{"more_info", "https://www.twilio.com/docs/errors/" + strconv.Itoa(code)}, {"status", status},
	})
}

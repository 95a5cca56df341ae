package vendors

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// meteredRegions are those of the documentation that the tests need.
var meteredRegions = []string{"", "global", "europe", "us_east", "us_west", "asia"}

// meteredCreate makes a credential and the API key that gets its servers. Only
// the status of a wrong key is documented for it.
func (s *Server) meteredCreate(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("secretKey")
	if !same(key, MeteredSecretKey) {
		meteredRefuses(w, key, "Secret Key")
		return
	}
	var request struct {
		ExpiryInSeconds int    `json:"expiryInSeconds"`
		Label           string `json:"label"`
	}
	status, err := readJSON(r, &request)
	if err == nil && request.ExpiryInSeconds < 1 {
		status, err = http.StatusBadRequest, fmt.Errorf("expiryInSeconds must be positive")
	}
	if err != nil {
		writeJSON(w, status, object{{"error", err.Error()}})
		return
	}
	c := s.mint(seconds(request.ExpiryInSeconds), 24)
	s.mu.Lock()
	apiKey := fmt.Sprintf("metered-api-key-made-%04d", len(s.keys)+1)
	s.keys[apiKey] = c.expires
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, object{
		{"username", c.username}, {"password", c.password},
		{"expiryInSeconds", request.ExpiryInSeconds}, {"label", request.Label}, {"apiKey", apiKey},
	})
}

// metered answers with a bare list and does not say when it expires.
func (s *Server) metered(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	key := query.Get("apiKey")
	s.mu.Lock()
	expires, made := s.keys[key]
	s.mu.Unlock()
	now := s.cfg.Now()
	if same(key, MeteredAPIKey) {
		expires, made = now.Add(30*24*time.Hour), true
	}
	if !made || !expires.After(now) {
		meteredRefuses(w, key, "API Key")
		return
	}
	if !slices.Contains(meteredRegions, query.Get("region")) {
		writeJSON(w, http.StatusBadRequest, object{{"error", "Invalid region"}})
		return
	}
	c := s.mint(expires.Sub(now), 24)
	stun, turn := s.urls("stun:stun.relay.metered.ca:80",
		"turn:global.relay.metered.ca:80", "turn:global.relay.metered.ca:80?transport=tcp",
		"turn:global.relay.metered.ca:443", "turns:global.relay.metered.ca:443?transport=tcp")
	var list []object
	for _, u := range stun {
		list = append(list, object{{"urls", u}})
	}
	for _, u := range turn {
		list = append(list, object{{"urls", u}, {"username", c.username}, {"credential", c.password}})
	}
	writeJSON(w, http.StatusOK, list)
}

func meteredRefuses(w http.ResponseWriter, key, name string) {
	if key == "" {
		writeJSON(w, http.StatusBadRequest, object{{"error", "Please specify " + name}})
		return
	}
	writeJSON(w, http.StatusUnauthorized, object{{"error", "Invalid " + name}})
}

package vendors

import "net/http"

// cloudflareMaxTTL is 48 hours, in seconds.
const cloudflareMaxTTL = 172800

// cloudflare answers as documented today: STUN and TURN servers apart. 201.
func (s *Server) cloudflare(w http.ResponseWriter, r *http.Request) {
	c, ok := s.cloudflareMint(w, r)
	if !ok {
		return
	}
	stun, turn := s.urls("stun:stun.cloudflare.com:3478",
		"turn:turn.cloudflare.com:3478?transport=udp", "turn:turn.cloudflare.com:443?transport=udp",
		"turn:turn.cloudflare.com:3478?transport=tcp", "turn:turn.cloudflare.com:80?transport=tcp",
		"turns:turn.cloudflare.com:5349?transport=tcp", "turns:turn.cloudflare.com:443?transport=tcp")
	var list []object
	if len(stun) > 0 {
		list = append(list, object{{"urls", stun}})
	}
	list = append(list, object{{"urls", turn}, {"username", c.username}, {"credential", c.password}})
	writeJSON(w, http.StatusCreated, object{{"iceServers", list}})
}

// cloudflareOlder answers as documented before: one object for all, and port 53.
func (s *Server) cloudflareOlder(w http.ResponseWriter, r *http.Request) {
	c, ok := s.cloudflareMint(w, r)
	if !ok {
		return
	}
	stun, turn := s.urls("stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53",
		"turn:turn.cloudflare.com:3478?transport=udp", "turn:turn.cloudflare.com:53?transport=udp",
		"turn:turn.cloudflare.com:3478?transport=tcp", "turn:turn.cloudflare.com:80?transport=tcp",
		"turns:turn.cloudflare.com:5349?transport=tcp", "turns:turn.cloudflare.com:443?transport=tcp")
	writeJSON(w, http.StatusCreated, object{{"iceServers", object{
		{"urls", append(stun, turn...)}, {"username", c.username}, {"credential", c.password},
	}}})
}

// cloudflareAdmits checks key and token. The bodies of refusals, and 401 for a
// missing token, are not documented.
func cloudflareAdmits(w http.ResponseWriter, r *http.Request) bool {
	token, ok := bearer(r)
	status := 0
	switch {
	case !ok:
		status = http.StatusUnauthorized
	case r.PathValue("id") != CloudflareKeyID:
		status = http.StatusNotFound
	case !same(token, CloudflareToken):
		status = http.StatusForbidden
	default:
		return true
	}
	http.Error(w, http.StatusText(status), status)
	return false
}

func (s *Server) cloudflareMint(w http.ResponseWriter, r *http.Request) (credential, bool) {
	if !cloudflareAdmits(w, r) {
		return credential{}, false
	}
	var request struct {
		TTL              int    `json:"ttl"`
		CustomIdentifier string `json:"customIdentifier"`
	}
	status, err := readJSON(r, &request)
	if err == nil && (request.TTL < 1 || request.TTL > cloudflareMaxTTL) {
		status = http.StatusBadRequest
	}
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return credential{}, false
	}
	return s.mint(seconds(request.TTL), 96), true
}

// cloudflareRevoke answers 204 without a body.
func (s *Server) cloudflareRevoke(w http.ResponseWriter, r *http.Request) {
	if !cloudflareAdmits(w, r) {
		return
	}
	s.mu.Lock()
	s.revoked = append(s.revoked, r.PathValue("username"))
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

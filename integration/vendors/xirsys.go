package vendors

import "net/http"

// xirsys answers in the form that is asked for: one object with "format": "urls",
// and otherwise, as it did before, a list of servers with one url each. What is
// wrong with the channel it says with the status of success; a wrong secret gets
// 401, which is not documented.
func (s *Server) xirsys(w http.ResponseWriter, r *http.Request) {
	ident, password, _ := r.BasicAuth()
	if ident != XirsysIdent || !same(password, XirsysSecret) {
		writeJSON(w, http.StatusUnauthorized, object{{"v", "unauthorized"}, {"s", "error"}})
		return
	}
	if r.PathValue("channel") != XirsysChannel {
		writeJSON(w, http.StatusOK, object{{"v", "path_not_found"}, {"s", "error"}})
		return
	}
	request := struct {
		Format string `json:"format"`
		Expire int    `json:"expire"`
	}{Expire: 30}
	if r.ContentLength != 0 {
		if status, err := readJSON(r, &request); err != nil {
			writeJSON(w, status, object{{"v", err.Error()}, {"s", "error"}})
			return
		}
	}
	if request.Expire < 1 {
		writeJSON(w, http.StatusOK, object{{"v", "invalid_expire"}, {"s", "error"}})
		return
	}
	c := s.mint(seconds(request.Expire), 64)
	stun, turn := s.urls("stun:fr-turn1.xirsys.com",
		"turn:fr-turn1.xirsys.com:80?transport=udp", "turn:fr-turn1.xirsys.com:3478?transport=udp",
		"turn:fr-turn1.xirsys.com:80?transport=tcp", "turn:fr-turn1.xirsys.com:3478?transport=tcp",
		"turns:fr-turn1.xirsys.com:443?transport=tcp", "turns:fr-turn1.xirsys.com:5349?transport=tcp")
	var servers any = object{{"username", c.username}, {"urls", append(stun, turn...)}, {"credential", c.password}}
	if request.Format != "urls" {
		var list []object
		for _, u := range stun {
			list = append(list, object{{"url", u}})
		}
		for _, u := range turn {
			list = append(list, object{{"username", c.username}, {"url", u}, {"credential", c.password}})
		}
		servers = list
	}
	writeJSON(w, http.StatusOK, object{{"v", object{{"iceServers", servers}}}, {"s", "ok"}})
}

package xep0215

// RTCIceServer is the dictionary of that name in the WebRTC specification (§4.2.4).
type RTCIceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// RTCIceServers returns services in the form that browsers take, neighbours with the
// same credential together. What a browser would refuse is left out: it would refuse
// the whole list for it.
func RTCIceServers(services []Service) []RTCIceServer {
	var servers []RTCIceServer
	for _, s := range services {
		uri := s.URI()
		if _, err := ParseURI(uri); err != nil {
			continue
		}
		if !NeedsCredentials(s.Type) {
			s.Username, s.Password = "", ""
		} else if s.Username == "" || s.Password == "" {
			continue
		}
		if n := len(servers); n > 0 && servers[n-1].Username == s.Username && servers[n-1].Credential == s.Password {
			servers[n-1].URLs = append(servers[n-1].URLs, uri)
			continue
		}
		servers = append(servers, RTCIceServer{URLs: []string{uri}, Username: s.Username, Credential: s.Password})
	}
	return servers
}

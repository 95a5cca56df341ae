package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"extdisco/xep0215"
)

// pushedService is a service in the JSON of Jitsi's room metadata. Modules differ in
// whether they write numbers and truth values as such or as strings.
type pushedService struct {
	Type, Host, Transport, Username, Password, Name string
	Port                                            scalar
	Restricted                                      scalar
	Expires                                         scalar
}

// scalar is a JSON string, number or truth value, as text.
type scalar string

// UnmarshalJSON takes any value but objects and arrays.
func (s *scalar) UnmarshalJSON(data []byte) error {
	text := string(data)
	switch {
	case text == "null":
		return nil
	case text[0] == '{' || text[0] == '[':
		return errors.New("is neither text nor a number")
	case text[0] == '"':
		var inner string
		if err := json.Unmarshal(data, &inner); err != nil {
			return err
		}
		text = inner
	}
	*s = scalar(text)
	return nil
}

// errNoArray is a list that Jitsi Meet takes for an empty one, which takes its
// default servers away as well. Lua's JSON writes an empty table so.
var errNoArray = errors.New("the list is empty, and takes the servers away that Jitsi Meet had before")

// parseMetadata reads a message of Jitsi's room metadata. about is false for JSON that
// is about something else, and for metadata without services.
func parseMetadata(text string) (services []xep0215.Service, about bool, err error) {
	var message struct {
		Type     string
		Metadata struct{ Services json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &message); err != nil || message.Type != "room_metadata" {
		return nil, false, nil
	}
	raw := strings.TrimSpace(string(message.Metadata.Services))
	if raw == "" || raw == "null" {
		return nil, false, nil
	}
	if raw[0] != '[' {
		return nil, true, errNoArray
	}
	var pushed []pushedService
	if err := json.Unmarshal([]byte(raw), &pushed); err != nil {
		return nil, true, errors.New("the list cannot be read: an entry is not an object of texts") // without quoting a credential
	}
	if len(pushed) == 0 {
		return nil, true, errNoArray
	}
	for i, p := range pushed {
		s, err := p.service()
		if err != nil {
			return nil, true, fmt.Errorf("the list cannot be read: services[%d].%w", i, err)
		}
		services = append(services, s)
	}
	return services, true, nil
}

// service converts p.
func (p pushedService) service() (xep0215.Service, error) {
	s := xep0215.Service{Type: p.Type, Host: p.Host, Transport: p.Transport, Username: p.Username, Password: p.Password, Name: p.Name,
		Restricted: p.Restricted == "1" || p.Restricted == "true"}
	if p.Port != "" {
		port, err := strconv.ParseUint(string(p.Port), 10, 16)
		if err != nil {
			return s, errors.New("port is not a port")
		}
		s.Port = uint16(port)
	}
	if p.Expires == "" {
		return s, nil
	}
	if seconds, err := strconv.ParseInt(string(p.Expires), 10, 64); err == nil {
		s.Expires = time.Unix(seconds, 0).UTC()
		return s, nil
	}
	var err error
	if s.Expires, err = time.Parse(time.RFC3339, string(p.Expires)); err != nil {
		return s, errors.New("expires is not a time")
	}
	return s, nil
}

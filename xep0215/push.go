package xep0215

import (
	"encoding/xml"
	"maps"
	"slices"

	"extdisco/internal/xmltext"
)

// Changes returns what a client that was told of the services told must be told now
// that current is on offer: services with the action add or modify, in the order of
// current, then those to delete, without their credentials. New credentials are a
// modification; a caller that does not want to replace valid ones puts the old ones
// into current.
func Changes(told, current []Service) []Service {
	before := map[Key]Service{}
	for _, s := range told {
		before[s.Key()] = s
	}
	var changes []Service
	for _, s := range current {
		old, known := before[s.Key()]
		delete(before, s.Key())
		switch {
		case !known:
			s.Action = ActionAdd
		case !s.equal(old):
			s.Action = ActionModify
		default:
			continue
		}
		changes = append(changes, s)
	}
	for _, s := range told {
		if _, gone := before[s.Key()]; gone {
			delete(before, s.Key())
			changes = append(changes, Service{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport, Action: ActionDelete})
		}
	}
	return changes
}

// equal reports whether a client would be told the same of both. The action is not
// compared.
func (s Service) equal(other Service) bool {
	return s.Key() == other.Key() && s.Restricted == other.Restricted && s.Username == other.Username && s.Password == other.Password &&
		s.Expires.Equal(other.Expires) && s.Name == other.Name && maps.Equal(s.Names, other.Names) &&
		slices.EqualFunc(s.Info, other.Info, Field.equal)
}

// Apply returns the services that a client knows after it was pushed the changes.
// An action that is missing or unknown adds the service; what is added or modified
// takes the place of the same service.
func Apply(services, changes []Service) []Service {
	services = slices.Clone(services)
	for _, c := range changes {
		same := func(s Service) bool { return s.Key() == c.Key() }
		i := slices.IndexFunc(services, same)
		switch {
		case c.Action == ActionDelete:
			services = slices.DeleteFunc(services, same)
		case i >= 0:
			c.Action = ""
			services[i] = c
		default:
			c.Action = ""
			services = append(services, c)
		}
	}
	return services
}

// AppendPush appends the payload of an IQ of type set that tells a client of
// changes, as [Changes] returns them, in the namespace [NS]: version 1 knows no
// actions. If the client had asked for services of one type, it is told that type
// again; serviceType is empty otherwise. As in a reply, a TURN service without
// credentials is left out, unless it is deleted. If there is nothing to tell, dst
// is returned unchanged. XEP-0215 §3.2
//
// A client must only be sent a push if it has asked before and its presence is
// known.
func AppendPush(dst []byte, serviceType string, changes []Service) []byte {
	push := appendRoot(dst, &Request{Type: serviceType})
	told := false
	for _, s := range changes {
		if s.Action != ActionDelete && !s.hasCredentials() {
			continue
		}
		told = true
		push = append(appendHead(push, s, s.Name), " action='"...)
		push = append(xmltext.AppendAttr(push, s.Action), '\'')
		if s.Action != ActionDelete && NeedsCredentials(s.Type) {
			push = appendLogin(appendRestricted(push, s.Expires), s.Username, s.Password)
		}
		push = appendTail(push, s)
	}
	if !told {
		return dst
	}
	return append(push, "</services>"...)
}

// ParsePush reads the payload of an IQ of type set from r and returns the changes
// for [Apply]. Anything but a services element of version 2 is an error, a
// [mellium.im/xmpp/stanza.Error] to send back.
func ParsePush(r xml.TokenReader) ([]Service, error) {
	var push struct {
		XMLName  xml.Name
		Services []Service `xml:"urn:xmpp:extdisco:2 service"`
	}
	if err := xml.NewTokenDecoder(r).Decode(&push); err != nil {
		return nil, badRequest("the payload cannot be read")
	}
	if push.XMLName != (xml.Name{Space: NS, Local: "services"}) {
		return nil, notARequest()
	}
	return push.Services, nil
}

package xep0215

import (
	"strconv"
	"time"

	"extdisco/internal/xmltext"
)

// expiresFormat is XEP-0082 in UTC without a fraction: Psi reads the first 19
// characters, and no client needs more.
const expiresFormat = "2006-01-02T15:04:05Z"

// appendHead appends the start tag of a service element up to where the
// credential goes, with the given name.
func appendHead(dst []byte, s Service, name string) []byte {
	dst = append(dst, "<service type='"...)
	dst = xmltext.AppendAttr(dst, s.Type)
	dst = append(dst, "' host='"...)
	dst = xmltext.AppendAttr(dst, s.Host)
	if s.Port != 0 {
		dst = append(dst, "' port='"...)
		dst = strconv.AppendUint(dst, uint64(s.Port), 10)
	}
	dst = appendOptional(dst, "transport", s.Transport)
	dst = appendOptional(dst, "name", name)
	return append(dst, '\'')
}

// appendTail appends the rest of a service element, from the end of its start tag.
func appendTail(dst []byte, s Service) []byte {
	if len(s.Info) == 0 {
		return append(dst, "/>"...)
	}
	return append(appendInfo(append(dst, '>'), s.Info), "</service>"...)
}

// appendOptional appends an attribute unless its value is empty. The quote that
// ends the attribute before it is still to be written, and so is its own.
func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, "' "...), name...), "='"...)
	return xmltext.AppendAttr(dst, value)
}

// appendRestricted appends the attributes that go before the username.
func appendRestricted(dst []byte, expires time.Time) []byte {
	dst = append(dst, " restricted='true'"...)
	if !expires.IsZero() {
		dst = append(dst, " expires='"...)
		dst = append(expires.UTC().AppendFormat(dst, expiresFormat), '\'')
	}
	return append(dst, " username='"...)
}

// appendLogin appends the username that appendRestricted has begun, and the password.
func appendLogin[T string | []byte](dst []byte, username, password T) []byte {
	dst = append(xmltext.AppendAttr(dst, username), "' password='"...)
	return append(xmltext.AppendAttr(dst, password), '\'')
}

func appendRoot(dst []byte, r *Request) []byte {
	if len(r.Credentials) > 0 {
		dst = append(dst, "<credentials xmlns='"...)
	} else {
		dst = append(dst, "<services xmlns='"...)
	}
	dst = append(dst, r.namespace()...)
	if len(r.Credentials) == 0 { // XEP-0215 §3.2 echoes the type
		dst = appendOptional(dst, "type", r.Type)
	}
	return append(dst, "'>"...)
}

package component

import (
	"errors"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/xmltext"
)

// maxReply is the largest stanza that is sent. Prosody ends the stream of a component
// that sends more than 512 KiB at once, which a client could provoke with an id that
// grows when it is escaped.
const maxReply = 512<<10 - 1<<10

// envelope is what goes around the payload of a reply: the IQ, and for a
// forwarded request the wrapping of XEP-0355 with the inner IQ.
type envelope struct {
	outer      address
	delegation string // namespace that the wrapping came in; empty when asked directly
	inner      address
}

// appendOpen appends everything before the payload. The outer IQ of a forwarded
// request is always a result, even if the inner one is an error: servers hide the
// reason of an outer error from the client, or do not answer at all. There must be no
// white space between the elements, and the inner IQ must state its namespace, or
// Prosody drops the reply.
func (e *envelope) appendOpen(dst []byte, iqType string) []byte {
	if e.delegation == "" {
		return appendIQ(dst, "", iqType, e.outer)
	}
	dst = appendIQ(dst, "", "result", e.outer)
	dst = append(dst, "<delegation xmlns='"...)
	dst = append(dst, e.delegation...)
	dst = append(dst, "'><forwarded xmlns='"+nsForward+"'>"...)
	return appendIQ(dst, nsClient, iqType, e.inner)
}

func (e *envelope) appendClose(dst []byte) []byte {
	if e.delegation == "" {
		return append(dst, "</iq>"...)
	}
	return append(dst, "</iq></forwarded></delegation></iq>"...)
}

// appendIQ appends the start tag of a reply to a; from and to are swapped.
func appendIQ(dst []byte, ns, iqType string, a address) []byte {
	dst = append(dst, "<iq type='"...)
	dst = append(dst, iqType...)
	dst = append(dst, '\'')
	if ns != "" {
		dst = appendAttr(dst, "xmlns", &ns)
	}
	dst = appendAttr(dst, "id", a.id)
	dst = appendAttr(dst, "from", a.to)
	dst = appendAttr(dst, "to", a.from)
	return append(dst, '>')
}

func appendAttr(dst []byte, name string, value *string) []byte {
	if value == nil {
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, "='"...)
	dst = xmltext.AppendAttr(dst, *value)
	return append(dst, '\'')
}

// appendReply appends a whole reply: a result with what payload appends, or the
// error that it returns. It appends nothing for errDeferred.
func (e *envelope) appendReply(dst []byte, payload func([]byte) ([]byte, error)) []byte {
	fits := func(reply []byte) bool { return len(reply)-len(dst) <= maxReply }
	reply, err := payload(e.appendOpen(dst, "result"))
	if err == errDeferred {
		return dst
	}
	if err == nil {
		if reply = e.appendClose(reply); fits(reply) {
			return reply
		}
		err = tooLarge()
	}
	if reply = e.appendClose(appendError(e.appendOpen(dst, "error"), err)); fits(reply) {
		return reply
	}
	// The addresses and the id alone are larger than the server accepts.
	if e.delegation == "" {
		return dst // nothing can be said
	}
	outer := envelope{outer: e.outer}
	return outer.appendReply(dst, func(dst []byte) ([]byte, error) { return dst, tooLarge() })
}

// appendError appends the error element. RFC 6120 §8.3.2.
func appendError(dst []byte, err error) []byte {
	var e stanza.Error
	if !errors.As(err, &e) || e.Type == "" || e.Condition == "" { // both become XML names
		e = stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError}
	}
	dst = append(dst, "<error type='"...)
	dst = append(dst, e.Type...)
	dst = append(dst, "'><"...)
	dst = append(dst, e.Condition...)
	dst = append(dst, " xmlns='"+nsStanzas+"'/>"...)
	if text := e.Text["en"]; text != "" {
		dst = append(dst, "<text xmlns='"+nsStanzas+"' xml:lang='en'>"...)
		dst = xmltext.AppendAttr(dst, text)
		dst = append(dst, "</text>"...)
	}
	return append(dst, "</error>"...)
}

func stanzaError(t stanza.ErrorType, c stanza.Condition, text string) stanza.Error {
	e := stanza.Error{Type: t, Condition: c}
	if text != "" {
		e.Text = map[string]string{"en": text}
	}
	return e
}

func badRequest(text string) stanza.Error {
	return stanzaError(stanza.Modify, stanza.BadRequest, text)
}

func serviceUnavailable() stanza.Error {
	return stanzaError(stanza.Cancel, stanza.ServiceUnavailable, "")
}

func tooLarge() stanza.Error {
	return stanzaError(stanza.Modify, stanza.PolicyViolation, "the stanza, or the answer to it, is too large")
}

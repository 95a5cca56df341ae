package component

import (
	"strings"
	"testing"
)

// A server ends the stream for a stanza that is too large for it.
func TestReplyIsNeverTooLarge(t *testing.T) {
	quotes := strings.Repeat(`"`, maxReply/5+1) // each is sent as five bytes
	large := &TestHandler{Reply: func(dst []byte, _ *Request) ([]byte, error) {
		return append(dst, "<a>"+strings.Repeat("x", maxReply)+"</a>"...), nil
	}}
	bytesMore := func(n int) *TestHandler { // than the limit
		return &TestHandler{Reply: func(dst []byte, _ *Request) ([]byte, error) {
			return append(dst, "<a>"+strings.Repeat("x", n+maxReply-len(resultOpen+"<a></a></iq>"))+"</a>"...), nil
		}}
	}
	withID := func(frame, id, value string) string {
		return strings.Replace(frame, "id='"+id+"'", "id='"+value+"'", 1)
	}
	inner := forwarded(nsDelegation2, innerGet(ask))
	tests := []struct {
		name                 string
		h                    *TestHandler
		frame                string
		wantOuter, wantInner string
	}{
		{"answer of exactly the limit", bytesMore(0), directly(ask), "result", ""},
		{"answer of a byte more", bytesMore(1), directly(ask), "modify/policy-violation", ""},
		{"answer", large, directly(ask), "modify/policy-violation", ""},
		{"answer to a forwarded request", large, inner, "result", "modify/policy-violation"},
		{"id", new(TestHandler), withID(directly(ask), "q1", quotes), "", ""},
		{"id of a bad request", new(TestHandler), withID(directly(""), "q1", quotes), "", ""},
		{"id of a forwarded request", new(TestHandler), withID(inner, "d2", quotes), "modify/policy-violation", ""},
		{"id of the server", new(TestHandler), withID(inner, "d1", quotes), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply := respondTo(t, newResponder(t, tt.h), tt.frame)
			if len(reply) > maxReply {
				t.Errorf("%d bytes", len(reply))
			}
			if outer, inner := conditionOf(t, reply); outer != tt.wantOuter || inner != tt.wantInner {
				t.Errorf("outer %q, inner %q; want %q and %q", outer, inner, tt.wantOuter, tt.wantInner)
			}
		})
	}
}

// An id of a size that Prosody was seen to pass.
func TestReplyEchoesLongID(t *testing.T) {
	id := strings.Repeat("i", 70_000)
	reply := respondTo(t, newResponder(t, new(TestHandler)), strings.Replace(directly(ask), "q1", id, 1))
	if !strings.Contains(reply, "id='"+id+"'") {
		t.Errorf("reply %.200q", reply)
	}
}

// Of a stanza that is too large the beginning is there, which says whom to tell.
func TestRefusalOfTruncatedStanza(t *testing.T) {
	tests := []struct{ name, frame, wantOuter, wantInner string }{
		{"in the payload", cutBehind(directly(ask), "<services"), "modify/policy-violation", ""},
		{"behind the start tag", cutBehind(directly(ask), "meet.test'>"), "modify/policy-violation", ""},
		{"in the start tag", cutBehind(directly(ask), "id="), "", ""},
		{"in a result", cutBehind(strings.Replace(directly(ask), "'get'", "'result'", 1), "<services"), "", ""},
		{"in a message", "<message from='meet.test' to='turn.meet.test'><delegation xmlns='urn:xmpp:delegation:2'><delegated", "", ""},
		{"in a forwarded request", cutBehind(forwarded(nsDelegation1, innerGet(ask)), "<services"), "result", "modify/policy-violation"},
		{"in the inner start tag", cutBehind(forwarded(nsDelegation1, innerGet(ask)), "'d2'"), "modify/policy-violation", ""},
		{"in the wrapping", cutBehind(forwarded(nsDelegation1, innerGet(ask)), "<forwarded"), "modify/policy-violation", ""},
		{"in a forged request", cutBehind(strings.Replace(forwarded(nsDelegation1, innerGet(ask)), "'meet.test'", "'evil.test'", 1), "<services"), "modify/policy-violation", ""},
		{"whole", directly(ask), "modify/policy-violation", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(TestHandler)
			reply := string(newResponder(t, h).respond(nil, []byte(tt.frame), true, testTime))
			if outer, inner := conditionOf(t, reply); outer != tt.wantOuter || inner != tt.wantInner {
				t.Errorf("outer %q, inner %q; want %q and %q", outer, inner, tt.wantOuter, tt.wantInner)
			}
			if reply != "" {
				if err := checkReply(reply); err != nil {
					t.Error(err)
				}
			}
			if h.Calls.Load() != 0 {
				t.Error("the handler was called")
			}
		})
	}
}

func cutBehind(frame, part string) string {
	return frame[:strings.Index(frame, part)+len(part)]
}

package component

import (
	"slices"
	"strings"
	"testing"
)

// fastOf returns what the fast path says to the stanza after it has read those
// before.
func fastOf(t *testing.T, stanza []byte, before ...[]byte) (reply string, n int, told *tellTale, r *responder) {
	t.Helper()
	c, told := newFastComponent(t)
	r = &newLink(c, nil, nil).responder
	for _, b := range before {
		r.fast(nil, b, testTime)
		r.tellRun()
	}
	told.admitted, told.answers = nil, nil
	out, n := r.fast(nil, stanza, testTime)
	r.tellRun()
	return string(out), n, told, r
}

// compareForms checks that a stanza is answered alike whatever was read before.
func compareForms(t *testing.T, stanza []byte, before ...[]byte) {
	t.Helper()
	want, wantLen, wantTold, _ := fastOf(t, stanza)
	got, n, told, _ := fastOf(t, stanza, before...)
	if got != want || n != wantLen {
		t.Fatalf("%q behind %q: %d bytes are answered with\n%q, not %d with\n%q", stanza, before, n, got, wantLen, want)
	}
	if !slices.Equal(told.admitted, wantTold.admitted) || len(told.answers) != len(wantTold.answers) {
		t.Fatalf("%q behind %q: the gate was asked %v, not %v", stanza, before, told.admitted, wantTold.admitted)
	}
}

func TestForms(t *testing.T) {
	const direct = "<iq id='q1' type='get' to='turn.meet.test' from='juliet@meet.test/x' xml:lang='en'><services xmlns='urn:xmpp:extdisco:2'/></iq>"
	delegated := forwarded(nsDelegation2, innerGet(ask))
	tests := []struct {
		name, first, second string
		fits                bool
	}{
		{"another user", direct, strings.Replace(direct, "juliet@meet.test/x", "romeo@meet.test", 1), true},
		{"another id", direct, strings.Replace(direct, "q1", "a-longer-one", 1), true},
		{"a stanza behind it", direct, direct + "<iq", true},
		{"an id that needs escaping", direct, strings.Replace(direct, "q1", "q&amp;1", 1), false},
		{"an id in other quotes", direct, strings.Replace(direct, "'q1'", `"q1"`, 1), false},
		{"an id that goes on", direct, strings.Replace(direct, "'q1'", "'q1' x='y'", 1), false},
		{"no user", direct, strings.Replace(direct, "juliet@meet.test/x", "", 1), false},
		{"an end that is cut off", direct, direct[:len(direct)-1], false},
		{"another language", direct, strings.Replace(direct, "'en'", "'de'", 1), false},
		{"another payload", direct, strings.Replace(direct, "extdisco:2", "extdisco:1", 1), false},
		{"another type", direct, strings.Replace(direct, "'get'", "'set'", 1), false},
		{"delegated: another user and id", delegated, strings.NewReplacer("juliet", "romeo", "id='", "id='2").Replace(delegated), true},
		{"delegated: another host", delegated, strings.Replace(delegated, "from='meet.test'", "from='evil.test'", 1), false},
		{"delegated: another way to delegate", delegated, forwarded(nsDelegation1, innerGet(ask)), false},
		{"delegated, and now direct", delegated, direct, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fits && tt.first == tt.second {
				t.Fatal("nothing differs")
			}
			_, n, _, r := fastOf(t, []byte(tt.first))
			if n != len(tt.first) {
				t.Fatal("the first is not for the fast path")
			}
			if fits := r.forms.read(new(fastRequest), []byte(tt.second)); fits != tt.fits {
				t.Errorf("fits: %v", fits)
			}
			compareForms(t, []byte(tt.second), []byte(tt.first))
		})
	}
}

// What names the requester twice must not become a form in which only one of the
// names changes.
func TestFormNamesNobodyElse(t *testing.T) {
	toSelf := forwarded(nsDelegation2, strings.Replace(innerGet(ask), "to='meet.test'", "to='juliet@meet.test'", 1))
	_, n, _, r := fastOf(t, []byte(toSelf))
	if n != len(toSelf) {
		t.Fatalf("%s is not for the fast path", toSelf)
	}
	if r.forms.read(new(fastRequest), []byte(toSelf)) {
		t.Error("it became a form")
	}
	compareForms(t, []byte(strings.Replace(toSelf, "from='juliet@", "from='romeo@", 1)), []byte(toSelf))
}

// A form that fits no more is replaced, without an allocation.
func TestFormIsReplaced(t *testing.T) {
	c, _ := newFastComponent(t)
	r := &newLink(c, nil, nil).responder
	one, two := []byte(directly(ask)), []byte(directly(askOld))
	var q fastRequest
	r.readFast(&q, one)
	for range formMisses {
		if r.readFast(&q, two); r.forms.read(&q, two) {
			t.Fatal("replaced too soon")
		}
	}
	if r.readFast(&q, two); !r.forms.read(&q, two) || r.forms.read(&q, one) {
		t.Fatal("not replaced")
	}
	if n := testing.AllocsPerRun(100, func() {
		r.readFast(&q, one)
		r.readFast(&q, two)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzForm: what was read before changes no answer.
func FuzzForm(f *testing.F) {
	for _, first := range usual {
		for _, second := range slices.Concat(usual, unusual) {
			f.Add([]byte(first), []byte(second))
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		compareForms(t, second, first)
		compareFast(t, second)
	})
}

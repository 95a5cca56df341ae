package component_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
)

// observed writes down what an observer is told.
type observed struct {
	mu    sync.Mutex
	lines []string
}

func (o *observed) add(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

func (o *observed) Answered(a component.Answers) {
	outcome := "result"
	if a.Err != nil {
		outcome = string(a.Err.(stanza.Error).Condition)
	}
	o.add("%d %s %s %s %v", a.Count, outcome, a.NS, a.Route, a.Took)
}
func (o *observed) LinkUp(time.Time)                        { o.add("up") }
func (o *observed) LinkDown(_ time.Time, f component.Fault) { o.add("down: %s", f.Problem) }
func (o *observed) HostsChanged(hosts []component.HostState) {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Host+" "+h.Route.String()+map[bool]string{true: " overdue"}[h.Overdue])
	}
	o.add("hosts %s", strings.Join(all, ", "))
}
func (o *observed) AttemptFailed(_ time.Time, f component.Fault) { o.add("failed: %s", f.Problem) }

// want compares what was told, oldest first, and forgets it.
func (o *observed) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if got := strings.Join(o.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the observer was told\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	o.lines = nil
}

func observing(o *observed) func(*running, *component.Config) {
	return func(_ *running, cfg *component.Config) { cfg.Observer = o }
}

const forwardedRequest = "<iq type='set' id='d1' from='meet.test' to='turn.meet.test'><delegation xmlns='urn:xmpp:delegation:2'>" +
	"<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='get' id='q2' from='juliet@meet.test/balcony'>" +
	"<services xmlns='urn:xmpp:extdisco:1'/></iq></forwarded></delegation></iq>"

func TestObserverIsToldOfAnswers(t *testing.T) {
	tests := []struct {
		name, stanza string
		err          error
		want         []string
	}{
		{"direct", request, nil, []string{"1 result urn:xmpp:extdisco:2 direct 0s"}},
		{"delegated", forwardedRequest, nil, []string{"hosts meet.test delegation, guest.meet.test none", "1 result urn:xmpp:extdisco:1 delegated 0s"}},
		{"stanza error", request, stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}, []string{"1 item-not-found urn:xmpp:extdisco:2 direct 0s"}},
		{"wrapped stanza error", request, fmt.Errorf("no: %w", stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}),
			[]string{"1 item-not-found urn:xmpp:extdisco:2 direct 0s"}},
		{"another error", request, errors.New("boom"), []string{"1 internal-server-error urn:xmpp:extdisco:2 direct 0s"}},
		{"refused by the gate", strings.Replace(request, "juliet@meet.test", "eve@evil.test", 1), nil, []string{"1 forbidden urn:xmpp:extdisco:2 direct 0s"}},
		{"version", version, nil, nil},
		{"set", strings.Replace(request, "'get'", "'set'", 1), nil, nil},
		{"result", strings.Replace(request, "'get'", "'result'", 1), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := new(observed)
			inBubble(t, func(r *running) {
				if tt.err != nil {
					r.handler.Reply = func(dst []byte, _ *component.Request) ([]byte, error) { return dst, tt.err }
				}
				s := r.next()
				s.accept("")
				o.want(t, "up")
				s.send(tt.stanza + version)
				s.expect("<version>")
				o.want(t, tt.want...)
				r.cancel()
				s.expect(streamEnd)
				s.Close()
			}, observing(o))
		})
	}
}

// Answers that are alike are told of at once, in the order of the first.
func TestObserverIsToldOfLikeAnswersAtOnce(t *testing.T) {
	o := new(observed)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		refused := strings.Replace(request, "juliet@meet.test", "eve@evil.test", 1)
		s.send(request + request + forwardedRequest + request + request + request + refused + refused + request + version)
		s.expect("<version>")
		o.want(t, "up", "hosts meet.test delegation, guest.meet.test none",
			"2 result urn:xmpp:extdisco:2 direct 0s", "1 result urn:xmpp:extdisco:1 delegated 0s", "3 result urn:xmpp:extdisco:2 direct 0s",
			"1 forbidden urn:xmpp:extdisco:2 direct 0s", "1 forbidden urn:xmpp:extdisco:2 direct 0s", "1 result urn:xmpp:extdisco:2 direct 0s")
		time.Sleep(time.Second)
		s.send(request + version)
		s.expect("<version>")
		o.want(t, "1 result urn:xmpp:extdisco:2 direct 0s")
		r.cancel()
		s.expect(streamEnd)
		s.Close()
	}, observing(o))
}

// What waits for its Handler is one answer, and took as long as the requester
// has waited.
func TestObserverIsToldOfDeferredAnswerOnce(t *testing.T) {
	h, o := new(slowHandler), new(observed)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		s.send(request)
		time.Sleep(3 * time.Second)
		close(h.channel)
		s.expect(component.TestPayload)
		o.want(t, "up", "1 result urn:xmpp:extdisco:2 direct 3s")
		r.cancel()
		s.expect(streamEnd)
		s.Close()
	}, slowly(h), observing(o))
}

func TestObserverIsToldOfTheLink(t *testing.T) {
	o := new(observed)
	inBubble(t, func(r *running) {
		r.next().Close()
		s := r.next()
		o.want(t, "failed: the connection was closed during the handshake")
		s.accept("")
		s.Close()
		s = r.next()
		o.want(t, "up", "down: the XMPP server closed the connection")
		s.accept("")
		o.want(t, "up")
		r.cancel()
		s.expect(streamEnd)
		s.Close()
		o.want(t, "down: ")
	}, observing(o))
}

package daemon

import (
	"strings"
	"testing"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
)

// Whoever is denied is not served, whatever access.allow says, from the next reload on.
func TestDeniedRequesters(t *testing.T) {
	d, log := newTestDaemon(t, accessConfig)
	if err := admit(d, []byte("mallory@example.org"), testkit.Time); err != nil {
		t.Fatal(err)
	}
	d.use(mustLoad(t, testkit.WriteConfig(t, accessConfig+"deny = [\"mallory@example.org\", \"guest.example.org\"]\n")), testkit.Time)
	for requester, want := range map[string]error{
		"mallory@example.org": errNotAllowed, "anybody@guest.example.org": errNotAllowed, "guest.example.org": errNotAllowed,
		"juliet@example.org": nil, "alice@example.net": nil,
	} {
		if err := admit(d, []byte(requester), testkit.Time); !sameError(err, want) {
			t.Errorf("%s: %v, want %v", requester, err, want)
		}
	}
	shown := d.state.refusals.latest()
	if len(shown) != 2 {
		t.Errorf("%d domains are shown", len(shown))
	}
	for _, refused := range shown {
		if refused.Reason != "in access.deny" || refused.Cure != "" {
			t.Errorf("shown as %+v", refused)
		}
	}
	if strings.Contains(log.String(), "access.allow") {
		t.Errorf("the log says to allow who is denied: %s", log)
	}
}

// A request that was admitted under one configuration is answered from it, although
// another one is in force by then.
func TestOneOfferFromBeginningToEnd(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	r := &component.Request{Requester: []byte("juliet@example.org"), Payload: requestTokens(t, testkit.ServicesRequest), Now: testkit.Time}
	if err := d.handle.gate.Admit(r); err != nil {
		t.Fatal(err)
	}
	d.use(mustLoad(t, testkit.WriteConfig(t, fourServers+"[access]\nallow = [\"other.example.org\"]\n")), testkit.Time)
	if wait := d.handle.discovery.Prepare(r); wait != nil {
		t.Error("has to wait")
	}
	reply, err := d.handle.discovery.AppendReply(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	services := testkit.ParseServices(t, string(reply))
	if len(services) != 2 || services[1].Host != "turn.example.org" {
		t.Errorf("answered with %+v", services)
	}
}

// The page shows whose requesters were refused, the latest first, and a crowd of
// strangers does not make it grow.
func TestRefusalsAreShown(t *testing.T) {
	d, _ := newTestDaemon(t, accessConfig+"[limits]\nper_jid = \"1/h\"\n")
	for i, requester := range []string{"a@one.example.com", "b@one.example.com", "juliet@example.org", "juliet@example.org", "c@two.example.com"} {
		_ = admit(d, []byte(requester), testkit.Time.Add(time.Duration(i)*time.Second))
	}
	got := d.state.refusals.latest()
	if len(got) != 3 || got[0].Domain != "two.example.com" || got[1].Domain != "example.org" || got[1].Reason != "over limits.per_jid" ||
		got[2].Domain != "one.example.com" || got[2].Times != 2 || got[2].Reason != "not in access.allow" || got[2].Cure == "" {
		t.Errorf("%+v", got)
	}
	for i := range 10 * maxRefusals {
		_ = admit(d, []byte{'x', '@', byte('a' + i%26), byte('a' + i/26)}, testkit.Time)
	}
	if got := d.state.refusals.latest(); len(got) != maxRefusals {
		t.Errorf("%d are shown", len(got))
	}
}

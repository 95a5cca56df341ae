package daemon

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/internal/probe"
	"extdisco/internal/source"
	"extdisco/internal/testkit"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// A provider that has not answered yet is waited for.
func TestCredentialsOverHTTPWaitForTheProvider(t *testing.T) {
	for _, perUser := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			v := new(testkit.Vendor)
			v.Status.Store(201)
			d, _ := providerOffer(t, v, perUser)
			defer d.close()
			d.offers.now().limiter = limit.New(limit.Rates{}, time.Now()) // in the time of the bubble
			for _, get := range []func() ([]web.ICEServer, error){
				func() ([]web.ICEServer, error) {
					return backendOf(d).Credentials(t.Context(), "janus", "bob", time.Now())
				},
				func() ([]web.ICEServer, error) { return backendOf(d).Trial(t.Context(), time.Now()) },
			} {
				servers, err := get()
				if err != nil || !slices.ContainsFunc(servers, func(s web.ICEServer) bool { return strings.HasPrefix(s.Username, "user") }) {
					t.Errorf("per user %t: %+v, %v", perUser, servers, err)
				}
			}
		})
	}
}

func TestStatusOfProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(403)
		d, _ := providerOffer(t, v, false)
		defer d.close()
		synctest.Wait()
		state := d.state.forMetrics(time.Now())
		if p := state.Providers[0]; p.Name != "cloudflare" || p.Config != "ice_server[0]" || p.Fetched != 0 || p.Failed != 1 || !p.At.IsZero() {
			t.Errorf("%+v", p)
		}
		if p := backendOf(d).Status(time.Now()).Providers[0]; p.OK || !p.Asked || !strings.Contains(p.Error, "403") || strings.Contains(p.Error, vendorToken) {
			t.Errorf("%+v", p)
		}

		v.Status.Store(201)
		time.Sleep(10 * time.Minute)
		fetched := time.Now()
		if p := d.state.forMetrics(fetched).Providers[0]; p.Fetched != 1 || p.At.IsZero() || p.Expires.Sub(p.At) != time.Hour || p.NearExpiry {
			t.Errorf("%+v", p)
		}
		status := backendOf(d).Status(fetched)
		if p := status.Providers[0]; !p.OK || p.Error != "" {
			t.Errorf("%+v", p)
		}
		if r := status.Relays[1]; r.URL != "turn:turn.cloudflare.com:3478?transport=udp" || r.Credentials != "from cloudflare" {
			t.Errorf("%+v", status.Relays)
		}

		v.Status.Store(500)
		time.Sleep(46 * time.Minute) // a quarter of its life is left
		if p := d.state.forMetrics(time.Now()).Providers[0]; !p.NearExpiry || p.Failed < 2 {
			t.Errorf("%+v", p)
		}
		time.Sleep(15 * time.Minute)
		if p := backendOf(d).Status(time.Now()).Providers[0]; p.OK || p.Expires.IsZero() {
			t.Errorf("%+v", p)
		}
	})
}

func TestUnreadyWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(500)
		d, _ := providerOffer(t, v, false)
		defer d.close()
		o := d.offers.now()
		o.sources = o.sources[:1]
		o.own = nil
		observerOf(d).LinkUp(time.Now())
		synctest.Wait()
		if why := backendOf(d).Unready(time.Now()); !strings.Contains(why, "no provider has given any credentials") {
			t.Errorf("unready: %q", why)
		}
		v.Status.Store(201)
		time.Sleep(10 * time.Minute)
		if why := backendOf(d).Unready(time.Now()); why != "" {
			t.Errorf("unready: %q", why)
		}
		observerOf(d).LinkDown(time.Now(), component.Fault{Problem: "it is away", Cure: "start it"})
		if why := backendOf(d).Unready(time.Now()); why != "not connected to the XMPP server: it is away; to do: start it" {
			t.Errorf("unready: %q", why)
		}
	})
}

// What the checks have found is shown of each server, with the cure.
func TestStatusOfRelays(t *testing.T) {
	s := xep0215.Service{Type: "turns", Host: "turn.example.org", Port: 5349, Transport: "tcp", Restricted: true}
	refused := &probe.Failure{Step: "allocate", Kind: probe.KindUnauthorized}
	checked := testkit.Time.Add(-time.Minute)
	for _, tt := range []struct {
		name   string
		health probe.Health
		want   web.Health
		detail string
		cure   bool
	}{
		{"never checked", probe.Health{}, web.Unknown, "", false},
		{"failed once", probe.Health{State: probe.Undecided, Checked: checked, Failures: 1, Failure: &probe.Failure{Kind: probe.KindTimeout}}, web.Undecided, "no answer", true},
		{"up", probe.Health{State: probe.Up, Checked: checked, RoundTrip: 1500 * time.Microsecond, NotAfter: testkit.Time.Add(48 * time.Hour)}, web.Healthy,
			"answers in 1.5 ms; certificate valid until 2026-11-23", false},
		{"up, near by", probe.Health{State: probe.Up, Checked: checked, RoundTrip: 40 * time.Microsecond}, web.Healthy, "answers in 0.04 ms", false},
		{"impaired", probe.Health{State: probe.Up, Impaired: true, Checked: checked, Failure: &probe.Failure{Kind: probe.KindCapacity}}, web.Impaired, "508", true},
		{"down", probe.Health{State: probe.Down, Checked: checked, Failure: &probe.Failure{Kind: probe.KindRefused}}, web.Sick, "nothing listens at this port", true},
		{"refuses", probe.Health{State: probe.Misconfigured, Checked: checked, Failure: refused}, web.Refusing, "401", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(source.Service{Key: s.Key(), URI: s.URI(), Credentials: "some"}, tt.health)
			if r.URL != "turns:turn.example.org:5349?transport=tcp" || r.Health != tt.want || !strings.Contains(r.Detail, tt.detail) || (r.Cure != "") != tt.cure || r.Checked != tt.health.Checked {
				t.Errorf("%+v", r)
			}
		})
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	vendorapi "extdisco/turncred/provider"
	"extdisco/xep0215"
)

// vendor is a provider's API without a network, so that it can live in a bubble
// of testing/synctest.
type vendor struct {
	status atomic.Int64 // 0 means that nobody answers
	asked  atomic.Int64
	takes  atomic.Int64 // nanoseconds until it answers
}

// RoundTrip implements [http.RoundTripper].
func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	n := v.asked.Add(1)
	<-time.After(time.Duration(v.takes.Load()))
	status := int(v.status.Load())
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	body := `{"error":"refused"}`
	if status == http.StatusCreated {
		body = fmt.Sprintf(`{"iceServers":[{"urls":["stun:stun.cloudflare.com:3478"]},{"urls":["turn:turn.cloudflare.com:3478?transport=udp","turn:turn.cloudflare.com:53?transport=udp"],"username":"user%d","credential":"pass%d"}]}`, n, n)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

const vendorToken = "token-of-the-vendor-0123456789"

// cloudflareConfig is a Cloudflare provider that asks v.
func cloudflareConfig(perUser bool) *providerConfig {
	return &providerConfig{
		name: "cloudflare", key: "ice_server[0]", timeout: 5 * time.Second, minRemaining: 10 * time.Minute, perUser: perUser, perUserRate: defaultPerUserRate,
		api: vendorapi.Cloudflare("https://vendor.example/v1", "key", []byte(vendorToken), time.Hour, ""),
	}
}

// providerOffer is an offer of one provider that asks v and of one STUN server.
func providerOffer(t *testing.T, v *vendor, perUser bool) (*daemon, *logBuffer) {
	t.Helper()
	d, log := newTestDaemon(t, minimalConfig)
	o := d.offer.Load()
	p := newProvider(cloudflareConfig(perUser), d.log)
	p.client.Transport = v
	p.start(time.Now())
	o.sources = []source{{provider: p}, o.sources[0]}
	o.show(nil)
	return d, log
}

// providerUsers returns the usernames that come with the provider's TURN server.
func providerUsers(t *testing.T, d *daemon, requester string) []string {
	t.Helper()
	reply, err := xep0215.NewHandler(d).AppendReply(nil, xep0215.Request{}, []byte(requester), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, s := range parseServices(t, string(reply)) {
		if s.Restricted && s.Host == "turn.cloudflare.com" {
			users = append(users, s.Username)
		}
	}
	return users
}

// told returns how many lines at info and above hold the text.
func told(log *logBuffer, text string) (n int) {
	for line := range strings.SplitSeq(log.String(), "\n") {
		if strings.Contains(line, text) && !strings.Contains(line, "DEBUG") {
			n++
		}
	}
	return n
}

// TestProviderIsDownForAnHour shows what clients are told while a provider fails
// in the middle of the day: what it gave before, then less, then all again.
func TestProviderIsDownForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusCreated)
		d, log := providerOffer(t, v, false)
		defer d.close()
		synctest.Wait()

		want := func(when string, username string) {
			t.Helper()
			got := providerUsers(t, d, "juliet@example.org")
			if username == "" && len(got) != 0 || username != "" && (len(got) != 1 || got[0] != username) {
				t.Errorf("%s: TURN credentials of %v, want %q", when, got, username)
			}
		}
		want("at the start", "user1")
		<-time.After(31 * time.Minute)
		want("after half of the life", "user2")

		v.status.Store(0)
		start := time.Now()
		<-time.After(29 * time.Minute) // the refresh at half of its life fails
		want("while it is down", "user2")
		<-time.After(22 * time.Minute)
		want("with less than ten minutes left", "")
		if !strings.Contains(log.String(), "no credentials at present") {
			t.Errorf("the log does not tell: %s", log)
		}
		<-time.After(time.Until(start.Add(time.Hour)))
		asked := v.asked.Load()
		if asked > 40 {
			t.Errorf("asked %d times within the hour", asked)
		}
		v.status.Store(http.StatusCreated)
		<-time.After(6 * time.Minute)
		want("after it came back", fmt.Sprintf("user%d", v.asked.Load()))
		if strings.Contains(log.String(), vendorToken) || strings.Contains(log.String(), "pass1") {
			t.Error("a secret is in the log")
		}
	})
}

// TestProviderOfShortLife has a provider whose credentials live for less than
// min_remaining. They are given out all the same, and refreshed in time.
func TestProviderOfShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusCreated)
		d, _ := newTestDaemon(t, minimalConfig)
		cfg := cloudflareConfig(false)
		cfg.api.TTL = 5 * time.Minute
		p := newProvider(cfg, d.log)
		p.client.Transport = v
		p.start(time.Now())
		o := d.offer.Load()
		o.sources = append(o.sources, source{provider: p})
		o.show(nil)
		defer d.close()
		for range 60 {
			<-time.After(20 * time.Second)
			if users := providerUsers(t, d, "juliet@example.org"); len(users) != 1 {
				t.Fatalf("TURN credentials of %v", users)
			}
		}
		v.status.Store(0)
		<-time.After(5 * time.Minute)
		if users := providerUsers(t, d, "juliet@example.org"); len(users) != 0 {
			t.Errorf("expired credentials of %v", users)
		}
	})
}

func TestProviderRefusalIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusForbidden)
		d, log := providerOffer(t, v, false)
		defer d.close()
		<-time.After(time.Hour)
		if n := told(log, "the API token is wrong or lacks permission"); n != 1 {
			t.Errorf("the refusal is logged %d times at info and above, want once:\n%s", n, log)
		}
		if asked := v.asked.Load(); asked < 5 || asked > 15 {
			t.Errorf("asked %d times within an hour, want slowly", asked)
		}
	})
}

func TestProviderPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusCreated)
		d, _ := providerOffer(t, v, true)
		defer d.close()
		for i, name := range []string{"juliet@example.org", "romeo@example.org", "juliet@example.org"} {
			if wait := d.prepare([]byte(name), time.Now()); wait != nil {
				<-wait
			} else if i != 2 {
				t.Errorf("%s has credentials before they were fetched", name)
			}
			want := []string{"user1", "user2", "user1"}[i]
			if got := providerUsers(t, d, name); len(got) != 1 || got[0] != want {
				t.Errorf("%s got %v, want %s", name, got, want)
			}
		}
	})
}

func TestProviderReload(t *testing.T) {
	cfg := &config{allow: []string{"example.org"}, iceServers: []iceServer{{provider: cloudflareConfig(true)}}}
	d, _ := newTestDaemon(t, minimalConfig)
	d.reload(cfg, testTime)
	first := d.offer.Load().sources[0].provider
	d.reload(cfg, testTime)
	if d.offer.Load().sources[0].provider != first {
		t.Error("a provider that did not change was started again, and has lost what it had")
	}
	changed := cloudflareConfig(true)
	changed.fingerprint[0]++
	d.reload(&config{allow: cfg.allow, iceServers: []iceServer{{provider: changed}}}, testTime)
	if d.offer.Load().sources[0].provider == first {
		t.Error("a provider that changed goes on with the old settings")
	}
	d.close()
}

// TestProviderReloadDuringFirstFetch has a first fetch go on over a reload, so that
// those who wait for it get what it brings.
func TestProviderReloadDuringFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusCreated)
		v.takes.Store(int64(2 * time.Second))
		d, _ := providerOffer(t, v, false)
		defer d.close()
		wait := d.prepare([]byte("juliet@example.org"), time.Now())
		<-time.After(time.Second)
		d.reload(&config{allow: []string{"example.org"}, iceServers: []iceServer{{provider: cloudflareConfig(false)}}}, time.Now())
		select {
		case <-wait:
			t.Error("the reload ended the wait for the first fetch")
		default:
		}
		<-wait
		if users := providerUsers(t, d, "juliet@example.org"); len(users) != 1 || users[0] != "user1" || v.asked.Load() != 1 {
			t.Errorf("TURN credentials of %v after %d requests", users, v.asked.Load())
		}
	})
}

// TestProviderReloadAsksAgain has a reload end the long pause after a refusal.
func TestProviderReloadAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusForbidden)
		d, _ := providerOffer(t, v, false)
		defer d.close()
		<-time.After(time.Minute)
		v.status.Store(http.StatusCreated)
		d.reload(&config{allow: []string{"example.org"}, iceServers: []iceServer{{provider: cloudflareConfig(false)}}}, time.Now())
		synctest.Wait()
		if users := providerUsers(t, d, "juliet@example.org"); len(users) != 1 {
			t.Errorf("TURN credentials of %v after the reload", users)
		}
	})
}

func TestProviderSetChecked(t *testing.T) {
	turn := func(urls ...string) vendorapi.Set {
		return vendorapi.Set{Servers: []vendorapi.Server{{URLs: urls, Username: "u", Password: hidden("p")}}, Expires: testTime.Add(time.Hour)}
	}
	tests := []struct {
		name string
		set  vendorapi.Set
		want string // the URIs, or part of the error
	}{
		{"usual", turn("turn:turn.example.org", "turns:turn.example.org:443"), "turn:turn.example.org:3478?transport=udp turns:turn.example.org:443?transport=tcp"},
		{"the same twice", turn("turn:turn.example.org", "turn:TURN.example.org:3478?transport=udp"), "turn:turn.example.org:3478?transport=udp"},
		{"one that clients cannot use", turn("turns:turn.example.org?transport=udp", "turn:turn.example.org"), "turn:turn.example.org:3478?transport=udp"},
		{"none that clients can use", turn("turns:turn.example.org?transport=udp", "ftp:x"), "names no server that clients can use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newProviderSet(tt.set)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			var uris []string
			for _, s := range got.services {
				uris = append(uris, s.URI())
			}
			if strings.Join(uris, " ") != tt.want {
				t.Errorf("offers %v, want %s", uris, tt.want)
			}
		})
	}
}

func TestProviderRevokesOnExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(vendor)
		v.status.Store(http.StatusCreated)
		cfg := cloudflareConfig(false)
		var revoked []string
		cfg.revocation = func(username string) *vendorapi.API {
			revoked = append(revoked, username)
			return vendorapi.CloudflareRevocation("https://vendor.example/v1", "key", []byte(vendorToken), username)
		}
		p := newProvider(cfg, newTestLog(newLogBuffer()))
		p.client.Transport = v
		p.start(time.Now())
		synctest.Wait()
		p.close(true)
		if len(revoked) != 1 || revoked[0] != "user1" || v.asked.Load() != 2 {
			t.Errorf("revoked %v in %d requests", revoked, v.asked.Load())
		}
	})
}

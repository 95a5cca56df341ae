package source

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"extdisco/internal/config"
	"extdisco/internal/limit"
	"extdisco/internal/testkit"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vendorToken = "token-of-the-vendor-0123456789"

// cloudflareConfig is a Cloudflare provider.
func cloudflareConfig(perUser bool) *config.Provider {
	return &config.Provider{
		Name: "cloudflare", Key: "ice_server[0]", Timeout: 5 * time.Second, MinRemaining: 10 * time.Minute,
		PerUser: perUser, PerUserRate: limit.Rate{Events: 50, Per: time.Second},
		API: provider.Cloudflare("https://vendor.example/v1", "key", []byte(vendorToken), time.Hour, ""),
	}
}

// offering is the sources of an offer.
type offering []Source

// Groups returns what is on offer.
func (o offering) Groups(requester []byte, now time.Time) (groups []*xep0215.Group) {
	for _, s := range o {
		if part := s.Part(requester, now); part != nil {
			groups = append(groups, part.Groups...)
		}
	}
	return groups
}

// offer returns an offer of one provider that asks v and of one STUN server, and its log.
func offer(t *testing.T, v *testkit.Vendor, cfg *config.Provider) (offering, *testkit.LogBuffer) {
	t.Helper()
	stun, err := xep0215.ParseURI("stun:stun.example.org")
	if err != nil {
		t.Fatal(err)
	}
	log := testkit.NewLogBuffer()
	p := StartProvider(cfg, &http.Client{Transport: v}, testkit.NewLog(log), time.Now())
	t.Cleanup(func() { p.Close(false) })
	return offering{p, NewOwn(config.ICEServer{Services: []xep0215.Service{stun}})}, log
}

// providerUsers returns the usernames that come with the provider's TURN server.
func providerUsers(t *testing.T, o offering, requester string) []string {
	t.Helper()
	reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, xep0215.Offer{Groups: o.Groups([]byte(requester), time.Now()), Requester: []byte(requester), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, s := range testkit.ParseServices(t, string(reply)) {
		if s.Restricted && s.Host == "turn.cloudflare.com" {
			users = append(users, s.Username)
		}
	}
	return users
}

// told returns how many lines at info and above hold the text.
func told(log *testkit.LogBuffer, text string) (n int) {
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
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		o, log := offer(t, v, cloudflareConfig(false))
		synctest.Wait()

		want := func(when string, username string) {
			t.Helper()
			got := providerUsers(t, o, "juliet@example.org")
			if username == "" && len(got) != 0 || username != "" && (len(got) != 1 || got[0] != username) {
				t.Errorf("%s: TURN credentials of %v, want %q", when, got, username)
			}
		}
		want("at the start", "user1")
		<-time.After(31 * time.Minute)
		want("after half of the life", "user2")

		v.Status.Store(0)
		start := time.Now()
		<-time.After(29 * time.Minute) // the refresh at half of its life fails
		want("while it is down", "user2")
		<-time.After(22 * time.Minute)
		want("with less than ten minutes left", "")
		if !strings.Contains(log.String(), "no credentials at present") {
			t.Errorf("the log does not tell: %s", log)
		}
		<-time.After(time.Until(start.Add(time.Hour)))
		asked := v.Asked.Load()
		if asked > 40 {
			t.Errorf("asked %d times within the hour", asked)
		}
		v.Status.Store(http.StatusCreated)
		<-time.After(6 * time.Minute)
		want("after it came back", fmt.Sprintf("user%d", v.Asked.Load()))
		if strings.Contains(log.String(), vendorToken) || strings.Contains(log.String(), "pass1") {
			t.Error("a secret is in the log")
		}
	})
}

// TestProviderOfShortLife has a provider whose credentials live for less than
// min_remaining. They are given out all the same, and refreshed in time.
func TestProviderOfShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		cfg := cloudflareConfig(false)
		cfg.API.TTL = 5 * time.Minute
		o, _ := offer(t, v, cfg)
		for range 60 {
			<-time.After(20 * time.Second)
			if users := providerUsers(t, o, "juliet@example.org"); len(users) != 1 {
				t.Fatalf("TURN credentials of %v", users)
			}
		}
		v.Status.Store(0)
		<-time.After(5 * time.Minute)
		if users := providerUsers(t, o, "juliet@example.org"); len(users) != 0 {
			t.Errorf("expired credentials of %v", users)
		}
	})
}

func TestProviderRefusalIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusForbidden)
		_, log := offer(t, v, cloudflareConfig(false))
		<-time.After(time.Hour)
		if n := told(log, "the API token is wrong or lacks permission"); n != 1 {
			t.Errorf("the refusal is logged %d times at info and above, want once:\n%s", n, log)
		}
		if asked := v.Asked.Load(); asked < 5 || asked > 15 {
			t.Errorf("asked %d times within an hour, want slowly", asked)
		}
	})
}

func TestProviderPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		o, _ := offer(t, v, cloudflareConfig(true))
		for i, name := range []string{"juliet@example.org", "romeo@example.org", "juliet@example.org"} {
			if wait := o[0].Prepare([]byte(name), time.Now()); wait != nil {
				<-wait
			} else if i != 2 {
				t.Errorf("%s has credentials before they were fetched", name)
			}
			want := []string{"user1", "user2", "user1"}[i]
			if got := providerUsers(t, o, name); len(got) != 1 || got[0] != want {
				t.Errorf("%s got %v, want %s", name, got, want)
			}
		}
	})
}

func TestProviderSetChecked(t *testing.T) {
	turn := func(urls ...string) provider.Set {
		return provider.Set{Servers: []provider.Server{{URLs: urls, Username: "u", Password: provider.NewSecret([]byte("p"))}}, Expires: testkit.Time.Add(time.Hour)}
	}
	tests := []struct {
		name string
		set  provider.Set
		want string // the URIs, or part of the error
	}{
		{"usual", turn("turn:turn.example.org", "turns:turn.example.org:443"), "turn:turn.example.org:3478?transport=udp turns:turn.example.org:443?transport=tcp"},
		{"the same twice", turn("turn:turn.example.org", "turn:TURN.example.org:3478?transport=udp"), "turn:turn.example.org:3478?transport=udp"},
		{"one that clients cannot use", turn("turns:turn.example.org?transport=udp", "turn:turn.example.org"), "turn:turn.example.org:3478?transport=udp"},
		{"none that clients can use", turn("turns:turn.example.org?transport=udp", "ftp:x"), "names no server that clients can use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newSet(tt.set, &config.Provider{})
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			var uris []string
			for _, s := range got.Services {
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
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		cfg := cloudflareConfig(false)
		var revoked []string
		cfg.Revocation = func(username string) *provider.API {
			revoked = append(revoked, username)
			return provider.CloudflareRevocation("https://vendor.example/v1", "key", []byte(vendorToken), username)
		}
		p := StartProvider(cfg, &http.Client{Transport: v}, testkit.NewLog(testkit.NewLogBuffer()), time.Now())
		synctest.Wait()
		p.Close(true)
		if len(revoked) != 1 || revoked[0] != "user1" || v.Asked.Load() != 2 {
			t.Errorf("revoked %v in %d requests", revoked, v.Asked.Load())
		}
	})
}

package daemon

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/limit"
	"extdisco/internal/source"
	"extdisco/internal/testkit"
	"extdisco/turncred/provider"
)

const vendorToken = "token-of-the-vendor-0123456789"

// cloudflareConfig is a Cloudflare provider.
func cloudflareConfig(perUser bool) *config.Provider {
	return &config.Provider{
		Name: "cloudflare", Key: "ice_server[0]", Timeout: 5 * time.Second, MinRemaining: 10 * time.Minute,
		PerUser: perUser, PerUserRate: limit.Rate{Events: 50, Per: time.Second},
		API: provider.Cloudflare("https://vendor.example/v1", "key", []byte(vendorToken), time.Hour, ""),
	}
}

// providerOffer is a daemon that offers one provider, which asks v, and one STUN server.
func providerOffer(t *testing.T, v *testkit.Vendor, perUser bool) (*daemon, *testkit.LogBuffer) {
	t.Helper()
	d, log := newTestDaemon(t, testkit.MinimalConfig)
	o := d.offers.now()
	p := source.StartProvider(cloudflareConfig(perUser), &http.Client{Transport: v}, d.log, time.Now())
	o.sources = []source.Source{p, o.sources[0]}
	o.fixed.Store(nil)
	return d, log
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

func TestReloadKeepsProvidersThatDidNotChange(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	defer d.close()
	cfg := &config.Config{ICEServers: []config.ICEServer{{Provider: cloudflareConfig(true)}}}
	d.use(cfg, testkit.Time)
	first := d.offers.now().sources[0]
	d.use(cfg, testkit.Time)
	if d.offers.now().sources[0] != first {
		t.Error("a provider that did not change was started again, and has lost what it had")
	}
	changed := cloudflareConfig(true)
	changed.Fingerprint[0]++
	d.use(&config.Config{ICEServers: []config.ICEServer{{Provider: changed}}}, testkit.Time)
	if d.offers.now().sources[0] == first {
		t.Error("a provider that changed goes on with the old settings")
	}
}

// Providers are labelled by where they stand in the configuration in force, wherever
// they stood when they were started.
func TestMetricsFollowTheConfigurationInForce(t *testing.T) {
	named := func(names ...string) *config.Config {
		cfg := new(config.Config)
		for i, name := range names {
			key := fmt.Sprintf("ice_server[%d]", i)
			p := cloudflareConfig(true)
			p.Name, p.Key = name, key
			p.Fingerprint = sha256.Sum256([]byte(name))
			cfg.ICEServers = append(cfg.ICEServers, config.ICEServer{Key: key, Provider: p})
		}
		return cfg
	}
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	defer d.close()
	for _, names := range [][]string{{"a"}, {"b", "a"}, {"b", "c", "a"}, {"c", "a", "b"}, {"a", "c"}, {"c"}, {}} {
		d.use(named(names...), testkit.Time)
		response := httptest.NewRecorder()
		d.site.metrics.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", http.NoBody))
		page := response.Body.String()
		if response.Code != http.StatusOK {
			t.Fatalf("%v: %d %s", names, response.Code, page)
		}
		var got []string
		for _, m := range regexp.MustCompile(`extdisco_provider_fetches_total\{config="ice_server\[(\d)\]",provider="(\w)",result="ok"\}`).FindAllStringSubmatch(page, -1) {
			got = append(got, m[2])
			if names[m[1][0]-'0'] != m[2] {
				t.Errorf("%v: %s is labelled ice_server[%s]", names, m[2], m[1])
			}
		}
		if len(got) != len(names) {
			t.Errorf("%v: the metrics have %v", names, got)
		}
		for i, p := range backendOf(d).Status(testkit.Time).Providers {
			if p.Name != names[i] || p.Config != fmt.Sprintf("ice_server[%d]", i) {
				t.Errorf("%v: the page has %s as %s", names, p.Name, p.Config)
			}
		}
	}
}

// A first fetch goes on over a reload, so that those who wait for it get what it brings.
func TestReloadDuringTheFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		v.Takes.Store(int64(2 * time.Second))
		d, _ := providerOffer(t, v, false)
		defer d.close()
		wait := d.offers.now().prepare(requester{name: []byte("juliet@example.org"), fetcher: []byte("juliet@example.org")}, time.Now())
		if len(wait) != 1 {
			t.Fatal("nobody waits for the first fetch")
		}
		<-time.After(time.Second)
		d.use(&config.Config{ICEServers: []config.ICEServer{{Provider: cloudflareConfig(false)}}}, time.Now())
		select {
		case <-wait[0]:
			t.Error("the reload ended the wait for the first fetch")
		default:
		}
		<-wait[0]
		if n := len(groupsOf(d, "juliet@example.org", time.Now())); n != 2 || v.Asked.Load() != 1 {
			t.Errorf("%d groups on offer after %d requests", n, v.Asked.Load())
		}
	})
}

// A reload ends the long pause after a refusal.
func TestReloadAsksAProviderAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusForbidden)
		d, _ := providerOffer(t, v, false)
		defer d.close()
		<-time.After(time.Minute)
		v.Status.Store(http.StatusCreated)
		d.use(&config.Config{ICEServers: []config.ICEServer{{Provider: cloudflareConfig(false)}}}, time.Now())
		synctest.Wait()
		if !d.offers.now().hasSomething(time.Now()) {
			t.Error("nothing is on offer after the reload")
		}
	})
}

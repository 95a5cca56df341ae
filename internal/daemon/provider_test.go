package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/limit"
	"extdisco/internal/secret"
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
		API: provider.Cloudflare("https://vendor.example/v1", "key", secret.New(vendorToken), time.Hour, ""),
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

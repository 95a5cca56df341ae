//go:build integration

package vendors_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/integration/vendors"
	vendorapi "extdisco/turncred/provider"
)

// What the vendors mint is taken by a coturn with the same shared secret, and
// not by one with another.
func TestIntegrationCoturnTakesCredentials(t *testing.T) {
	const shared = "shared-secret-of-the-vendors"
	turn, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{shared}})
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Stop()
	const ttl = time.Hour
	for name, right := range map[string]bool{shared: true, "other": false} {
		s, err := vendors.New(vendors.Config{Secret: name, URLs: []string{fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", turn.Port)}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		base := s.URL()
		for vendor, api := range map[string]*vendorapi.API{
			"Cloudflare": vendorapi.Cloudflare(base+"/v1", vendors.CloudflareKeyID, []byte(vendors.CloudflareToken), ttl, ""),
			"Twilio":     vendorapi.Twilio(base, vendors.TwilioAccountSID, vendors.TwilioKeySID, []byte(vendors.TwilioKeySecret), ttl),
			"Metered":    vendorapi.MeteredCreate(base, []byte(vendors.MeteredSecretKey), "", ttl),
			"Xirsys":     vendorapi.Xirsys(base, vendors.XirsysChannel, vendors.XirsysIdent, []byte(vendors.XirsysSecret), ttl),
			"TURN REST":  vendorapi.TURNREST(base+vendors.RESTPath, []byte(vendors.RESTKey), "somebody", ttl),
		} {
			client := vendorapi.NewHTTPClient(nil, 10*time.Second)
			set, err := api.Fetch(t.Context(), client, "", time.Now())
			client.CloseIdleConnections()
			if err != nil {
				t.Fatalf("%s: %v", vendor, err)
			}
			_, _, err = lab.Allocation{
				Type: "turn", Host: "127.0.0.1", Port: turn.Port,
				Username: set.Servers[0].Username, Password: string(set.Servers[0].Password.Reveal()),
			}.Do(t.Context())
			var refused *lab.AllocateError
			if right && err != nil || !right && (!errors.As(err, &refused) || refused.Code != http.StatusUnauthorized) {
				t.Errorf("%s, secret %s: %v", vendor, name, err)
			}
		}
	}
}

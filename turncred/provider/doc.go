// Package provider gets TURN credentials from the API of a TURN provider, such
// as Cloudflare or Twilio, or from any server that speaks the TURN REST API
// (draft-uberti-behave-turn-rest-00).
//
// An [API] describes the request; presets such as [Cloudflare] fill it in.
// [API.Fetch] asks once and returns a [Set]. Two types keep what was fetched
// fresh and hand it to a [Sink]: a [Refresher] keeps one Set for everybody,
// [PerUser] one for each requester.
//
//	api := provider.Cloudflare(provider.CloudflareURL, keyID, token, 24*time.Hour, "")
//	client := provider.NewHTTPClient(nil, 5*time.Second)
//	r := provider.NewRefresher(api.Fetcher(client), sink)
//	r.Start()
//	defer r.Close()
package provider

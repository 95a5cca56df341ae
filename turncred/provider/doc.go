// Package provider gets TURN credentials from the API of a TURN provider, such
// as Cloudflare or Twilio, or from any server that speaks the TURN REST API
// (draft-uberti-behave-turn-rest-00).
//
// An [API] asks over HTTP, a [Refresher] keeps what it gives fresh, and
// [PerUser] asks for each requester.
package provider

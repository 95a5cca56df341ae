package web_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/internal/web"
)

// askFrom asks from an address.
func askFrom(s *web.Site, from, method, target, bearer string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host, r.RemoteAddr = "localhost", from
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// Guessing becomes slow for an address, and whoever has the right key or token is
// served at once, from the same address too: it may be a proxy's.
func TestWrongKeysAreSlowedDown(t *testing.T) {
	for _, tt := range []struct{ name, method, target, right string }{
		{"key of /turn", "GET", "/turn?service=turn", key},
		{"key of /ice", "POST", "/ice?service=turn", key},
		{"token", "POST", "/try", token},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const guesser = "192.0.2.7:1000"
				b := &backend{servers: someServers}
				s := newSite(b, new(bytes.Buffer))
				began, statuses := time.Now(), map[int]int{}
				for i := range 30 {
					w := askFrom(s, guesser, tt.method, tt.target, fmt.Sprint("wrong", i))
					statuses[w.Code]++
					if w.Code == 429 && (w.Header().Get("Retry-After") != "60" || w.Header().Get("Connection") != "close") {
						t.Errorf("the answer to a guess has %v", w.Header())
					}
				}
				// One more is let through every six seconds.
				if took := time.Since(began); statuses[403]+statuses[429] != 30 || statuses[429] < 15 || took != time.Duration(statuses[429])*time.Second {
					t.Errorf("30 guesses take %v and are answered %v", took, statuses)
				}
				if got := b.gave[len(b.gave)-1]; got[len(got)-7:] != "limited" {
					t.Errorf("the last guess is counted as %q", got)
				}
				for name, from := range map[string]string{"the same address": guesser, "another": "192.0.2.8:1000"} {
					began = time.Now()
					if w := askFrom(s, from, tt.method, tt.target, tt.right); w.Code != 200 || time.Since(began) != 0 {
						t.Errorf("the right one from %s: %d after %v", name, w.Code, time.Since(began))
					}
				}
				began = time.Now()
				if w := askFrom(s, "192.0.2.8:1001", tt.method, tt.target, "wrong"); w.Code != 403 || time.Since(began) != 0 {
					t.Errorf("another address's first mistake: %d after %v", w.Code, time.Since(began))
				}
				time.Sleep(2 * time.Minute)
				if w := askFrom(s, guesser, tt.method, tt.target, "wrong"); w.Code != 403 {
					t.Errorf("two minutes later: %d", w.Code)
				}
			})
		})
	}
}

// A host has all of its /64 to guess from.
func TestGuessesAreCountedByNetwork(t *testing.T) {
	for _, tt := range []struct {
		name, from string
		braked     bool
	}{
		{"same /64", "[2001:db8:0:1:%x::1]:1000", true},
		{"other /64", "[2001:db8:0:%x::1]:1000", false},
		{"link-local with zone", "[fe80::%x%%eth0]:1000", true},
		{"IPv4", "192.0.2.%d:1000", false},
		{"IPv4 in IPv6", "[::ffff:192.0.2.%d]:1000", false},
		{"no address", "@%d", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(&backend{}, new(bytes.Buffer))
				braked := false
				for i := range 30 {
					braked = braked || askFrom(s, fmt.Sprintf(tt.from, i+1), "GET", "/turn", "wrong").Code == 429
				}
				if braked != tt.braked {
					t.Errorf("braked: %t", braked)
				}
			})
		})
	}
}

// A key that is missing is a mistake, not a guess.
func TestMissingKeysAreNotGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(&backend{}, new(bytes.Buffer))
		began := time.Now()
		for range 30 {
			if w := askFrom(s, "192.0.2.1:1", "GET", "/turn?service=turn", ""); w.Code != 403 {
				t.Fatal(w.Code)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}

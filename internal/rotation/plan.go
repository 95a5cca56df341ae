package rotation

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"extdisco/internal/secret"
)

// made is a secret that an extdisco made. Its text, which coturn takes as it is, says when:
//
//	extdisco-GENERATION-MADE-TTL-RANDOM
//
// GENERATION counts the secrets of a realm, MADE is Unix time, TTL how many seconds credentials
// lived at that time, and RANDOM 32 random bytes in hex, which are what nobody can guess. Other
// secrets of the table are somebody else's, and stay.
type made struct {
	value      string
	generation uint64
	at         time.Time
	ttl        time.Duration
}

var (
	valueForm = regexp.MustCompile(`^extdisco-(\d{1,12})-(\d{1,12})-(\d{1,9})-[0-9a-f]{64}$`)
	// ours finds such a secret, or what a message has left of it.
	ours = regexp.MustCompile(`extdisco-\d+-\d+-\d+-[0-9a-f]+`)
)

// parse returns the secret with this text; false for one that is not ours.
func parse(value string) (made, bool) {
	m := valueForm.FindStringSubmatch(value)
	if m == nil {
		return made{}, false
	}
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n } // fits
	return made{value, uint64(number(m[1])), time.Unix(number(m[2]), 0), time.Duration(number(m[3])) * time.Second}, true
}

// parseAll returns those of the secrets that are ours, the newest first.
func parseAll(values []string) []made {
	var all []made
	for _, value := range values {
		if m, ours := parse(value); ours {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b made) int {
		return cmp.Or(cmp.Compare(b.generation, a.generation), cmp.Compare(b.value, a.value))
	})
	return all
}

// newValue makes a secret.
func newValue(generation uint64, now time.Time, ttl time.Duration) string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return fmt.Sprintf("extdisco-%d-%d-%d-%s", generation, now.Unix(), int64((ttl+time.Second-1)/time.Second), hex.EncodeToString(random))
}

// settled reports whether a secret may be used: it has been in the database long enough. One that
// a clock ahead of ours has made counts as old, because the others stop using the one before.
func (m made) settled(after time.Duration, now time.Time) bool {
	age := now.Sub(m.at)
	return age < 0 || age >= after
}

// change is what is to be written. The zero change is nothing.
type change struct {
	add    string // "" for none
	first  bool   // there was none of ours
	remove []string
}

func (c change) isEmpty() bool { return c.add == "" && len(c.remove) == 0 }

// policy says when secrets are made and removed.
type policy struct{ every, ttl, settles time.Duration }

// plan returns what has to be done about the secrets of a table.
//
// A secret that has a successor is removed after twice the life of a credential. The
// first half is what credentials made with it need; the second is for an instance that
// cannot reach the database and goes on with the secret that it knows.
//
// The successor of a secret made by a clock ahead of ours is late: to make it at once would
// have two clocks that differ replace each other's secrets.
func (p policy) plan(values []string, now time.Time) change {
	secrets := parseAll(values)
	var c change
	switch {
	case len(secrets) == 0:
		c.add, c.first = newValue(1, now, p.ttl), true
	case now.Sub(secrets[0].at) >= p.every:
		c.add = newValue(secrets[0].generation+1, now, p.ttl)
	}
	for i := 1; i < len(secrets); i++ {
		successor, lives := secrets[i-1], max(p.ttl, secrets[i].ttl, secrets[i-1].ttl)
		if now.Sub(successor.at) >= p.settles+2*lives {
			c.remove = append(c.remove, secrets[i].value)
		}
	}
	return c
}

// Keys are the secrets of a rotation at an instant.
type Keys struct {
	Current secret.Secret // makes credentials; empty while none is known
	// Newest and Before are the last two, as long as both are sure to be accepted where the database
	// is: who can try what the TURN server accepts need not wait as Current does. Empty otherwise.
	Newest, Before secret.Secret
	All            []secret.Secret // that credentials may be about of, the newest first
}

func (k Keys) equal(other Keys) bool {
	return k.Current.Equal(other.Current) && k.Newest.Equal(other.Newest) && k.Before.Equal(other.Before) &&
		slices.EqualFunc(k.All, other.All, secret.Secret.Equal)
}

// keysOf returns the secrets to use of those that are known, the newest first.
func keysOf(known []made, cfg Config, now time.Time) Keys {
	var k Keys
	for _, m := range known {
		k.All = append(k.All, secret.New(m.value))
	}
	if len(known) == 0 {
		return k
	}
	k.Current = k.All[0]
	if len(known) == 1 {
		return k
	}
	if !known[0].settled(cfg.Settles, now) {
		k.Current = k.All[1]
	}
	if age := now.Sub(known[0].at); age >= 0 && age < max(cfg.TTL, cfg.Settles) {
		k.Newest, k.Before = k.All[0], k.All[1]
	}
	return k
}

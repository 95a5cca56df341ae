//go:build !race

package turncred_test

import (
	"testing"
	"time"

	"extdisco/turncred"
)

// The race detector has crypto/sha1 allocate.
func TestIssueAllocatesNothing(t *testing.T) {
	requester, start := []byte("juliet@example.org"), time.Unix(1_800_000_000, 0)
	for name, pseudonyms := range map[string]*turncred.Pseudonyms{
		"derived":  nil,
		"keyed":    turncred.NewPseudonyms([]byte("key")),
		"domains":  turncred.NewDomainPseudonyms([]byte("key")),
		"ejabberd": turncred.NewEjabberdPseudonyms([]byte("key"), "example.org"),
	} {
		t.Run(name, func(t *testing.T) {
			s := turncred.NewSharedSecret([]byte("north"), pseudonyms, time.Hour)
			var c turncred.Credential
			now := start
			if n := testing.AllocsPerRun(100, func() {
				now = now.Add(time.Second)
				s.Issue(&c, requester, now)
			}); n != 0 {
				t.Errorf("%v allocations per credential", n)
			}
		})
	}
}

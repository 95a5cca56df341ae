//go:build !race

package turncred_test

import (
	"testing"
	"time"

	"extdisco/internal/secret"
	"extdisco/turncred"
)

// The race detector has crypto/sha1 allocate.
func TestIssueAllocatesNothing(t *testing.T) {
	s := turncred.NewSharedSecret(secret.New("north"), secret.Secret{}, time.Hour)
	var c turncred.Credential
	requester, now := []byte("juliet@example.org"), time.Unix(1_800_000_000, 0)
	if n := testing.AllocsPerRun(100, func() { s.Issue(&c, requester, now) }); n != 0 {
		t.Errorf("%v allocations per credential", n)
	}
}

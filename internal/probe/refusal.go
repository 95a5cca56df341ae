package probe

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pion/stun/v4"

	"extdisco/internal/secret"
)

// explainRefusal finds out why a server refuses a credential that we have made (401):
// it tries others, and looks which is accepted.
func (a *attempt) explainRefusal(ctx context.Context, s *session, f *Failure) *Failure {
	if isEjabberd(s.software) {
		f.detail = " by ejabberd's own TURN server"
	}
	if a.server.Sign == nil {
		return f
	}
	for _, g := range a.guesses(s.realm) {
		accepted, err := isAccepted(ctx, s.messages, g.username, g.sign(g.username))
		if err != nil {
			return f
		}
		if accepted {
			f.Kind, f.cure = g.kind, g.cure
			return f
		}
	}
	if isEjabberd(s.software) {
		f.cure = cureEjabberdSecret
	}
	return f
}

// guess is another credential, and what it means that the server accepts it.
type guess struct {
	username string
	sign     func(username string) secret.Secret
	kind     Kind
	cure     string
}

// guesses returns what to try in place of the credential that was refused: the same user
// under the previous secret, and other usernames than "<expires>:<user>".
func (a *attempt) guesses(realm string) []guess {
	var all []guess
	if a.server.SignPrevious != nil {
		all = append(all, guess{a.server.Username, a.server.SignPrevious, KindPrevious, ""})
	}
	expires, user, ok := strings.Cut(a.server.Username, ":")
	if _, err := strconv.ParseInt(expires, 10, 64); err != nil || !ok {
		return all
	}
	return append(all,
		guess{farExpiry + ":" + user, a.server.Sign, KindClock, ""},
		guess{farExpiry, a.server.Sign, KindUsernameForm, cureBareTimestamp},
		guess{ejabberdUsername(farExpiry, realm), a.server.Sign, KindUsernameForm, fmt.Sprintf(cureEjabberdForm, realm)},
	)
}

// farExpiry is the last time that TURN servers understand (coturn).
var farExpiry = strconv.Itoa(math.MaxInt32)

// ejabberdUsername returns a username in the only form that ejabberd's own TURN server
// takes: eight hex digits for the user, and the first four bytes of the host's SHA-1.
// Its realm is the host, unless auth_realm says otherwise.
func ejabberdUsername(expires, realm string) string {
	host := sha1.Sum([]byte(realm))
	return expires + ":00000000" + hex.EncodeToString(host[:4])
}

// isEjabberd reports whether SOFTWARE names ejabberd's STUN library.
func isEjabberd(software string) bool {
	software = strings.ToLower(software)
	return strings.Contains(software, "ejabberd") || strings.Contains(software, "p1 stun")
}

// isAccepted reports whether the server takes a credential. An allocation that it makes is
// deleted at once.
func isAccepted(ctx context.Context, messages *messageReader, username string, password secret.Secret) (bool, error) {
	s := &session{messages: messages, username: username, password: password.Reveal()}
	m, err := s.allocate(ctx)
	if m != nil && m.Type.Class == stun.ClassSuccessResponse {
		s.free(ctx)
		return true, nil
	}
	switch codeOf(err) {
	case 0:
		return false, err
	case int(stun.CodeAllocQuotaReached), int(stun.CodeInsufficientCapacity):
		return true, nil // only to a credential that is valid
	}
	return false, nil
}

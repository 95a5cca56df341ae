package migrate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/internal/xmltext"
)

// CredentialKind is how a server is logged in to.
type CredentialKind int

// The kinds of credentials.
const (
	NoCredential CredentialKind = iota // STUN
	SharedSecret                       // credentials are minted with it
	FixedAccount                       // a username and a password that never change
)

// Credential is what a TURN server asks for.
type Credential struct {
	Kind   CredentialKind
	Secret secret.Secret // the shared secret, or the password of a fixed account; empty with Computed or File
	Line   int           // where it stands in what was read

	// Computed says in a few words why what was read does not show the secret: "computed in
	// line 3". Empty when it does.
	Computed string
	// File holds the secret: what was read names the file only.
	File string

	TTL time.Duration // of minted credentials; [config.DefaultTTL] unless stated

	Username         string // of a fixed account
	UsernameComputed bool   // the fixed account has a username that is not shown

	// UsernameForm and Realm are the keys username_form and realm of [[ice_server]].
	UsernameForm, Realm string

	usernameLine int           // with UsernameComputed
	expression   secret.Secret // the code that computes the secret, and may show it
	missing      string        // why there is none
}

func sharedSecret(value string, line int, ttl time.Duration) Credential {
	return Credential{Kind: SharedSecret, Secret: secret.New(value), Line: line, TTL: ttl}
}

func fixedAccount(username, password string, line int) Credential {
	return Credential{Kind: FixedAccount, Username: username, Secret: secret.New(password), Line: line}
}

// with returns the credential with that secret.
func (c Credential) with(value string) Credential {
	c.Secret = secret.New(value)
	return c
}

// computed returns the credential with a secret that code computes.
func (c Credential) computed(expression string, line int) Credential {
	c.Secret, c.Line, c.expression = secret.Secret{}, line, secret.New(expression)
	c.Computed = fmt.Sprintf("computed in line %d", line)
	return c
}

// isShown reports whether the secret itself is known.
func (c Credential) isShown() bool { return c.Computed == "" && c.File == "" }

// key is equal for credentials that belong in one table. It is a hash, so that no printed map
// shows a secret.
func (c Credential) key() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %s %q %v %q %q", c.Kind, c.Secret.Reveal(), c.expression.Reveal()+c.Computed, c.File, c.TTL, c.Username, c.UsernameComputed, c.UsernameForm, c.Realm))
}

// fault says why the configuration cannot hold the credential.
func (c Credential) fault() error {
	secretText := c.Secret.Reveal()
	switch {
	case c.missing != "":
		return errors.New(c.missing)
	case c.Kind == NoCredential, c.Kind == FixedAccount && c.Username == "" && !c.UsernameComputed && c.isShown() && secretText == "":
		return errors.New("it has no credential, which a TURN server requires")
	case !xmltext.IsValid(secretText):
		return errors.New("its secret or password contains characters that are not text")
	case c.Kind == SharedSecret && c.isShown() && strings.TrimSpace(secretText) == "":
		return errors.New("its shared secret is blank")
	case c.Kind == SharedSecret:
		return nil
	case c.isShown() && secretText == "":
		return errors.New("it has a username and no password")
	case strings.TrimSpace(c.Username) == "" && !c.UsernameComputed:
		return errors.New("it has a password and no username")
	}
	for _, value := range []string{c.Username, secretText} {
		if !xmltext.IsValid(value) || len(value) > config.MaxCredential {
			return errors.New("its username or password contains characters that XML cannot carry, or more than " + strconv.Itoa(config.MaxCredential) + " bytes")
		}
	}
	return nil
}

// secretWord is what the secret is called.
func (c Credential) secretWord() string {
	if c.Kind == FixedAccount {
		return "password"
	}
	return "secret"
}

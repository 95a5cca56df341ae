// Package secret holds values that must not be printed: the TURN shared secret,
// the handshake secret of the component link, fixed TURN passwords and API
// tokens.
//
// A [Secret] redacts itself in every verb of package fmt, in log/slog, JSON,
// XML and TOML. Its bytes come out only through [Secret.Reveal], so that a
// search for that name finds every use.
package secret

import (
	"fmt"
	"log/slog"
)

// Redacted is what is printed instead of a secret.
const Redacted = "[redacted]"

// Secret is a value that redacts itself when it is printed. The zero Secret is
// empty. Secrets are compared with [Secret.Equal]; == compares identity only.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of a surrounding
	// struct without asking their methods, and of a pointer only the address.
	value *string
}

// New returns a Secret that holds value.
func New(value string) Secret { return Secret{value: &value} }

// Reveal returns the secret's own value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsEmpty reports whether there is nothing to hide.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// Equal reports whether both hold the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// String implements [fmt.Stringer] for callers that do not go through fmt.
func (s Secret) String() string { return Redacted }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements [encoding.TextMarshaler], which JSON, XML and TOML
// encoders ask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

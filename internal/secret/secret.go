// Package secret holds values that must not be printed: TURN shared secrets, the
// handshake secret of a component, passwords of fixed TURN accounts and API tokens.
//
// A [Secret] redacts itself in every verb of package fmt that asks a value's
// methods, in log/slog, JSON, XML and TOML. Only [Secret.Reveal] returns its value,
// so that a search for that name finds every use.
package secret

import (
	"fmt"
	"log/slog"
)

// Redacted is printed in place of a secret.
const Redacted = "[redacted]"

// Secret is a value that redacts itself when it is printed. The zero Secret is
// empty. Secrets are compared with [Secret.Equal]; == compares identity only.
type Secret struct {
	// A pointer, because fmt does not call the methods of unexported fields of a
	// surrounding struct, but prints only the address of a pointer.
	value *string
}

// New returns a Secret that holds value.
func New(value string) Secret { return Secret{value: &value} }

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsEmpty reports whether the value is empty.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// Equal reports whether both hold the same value. The time that it takes tells how
// much they have in common: it is not for checking what a stranger sent.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// String implements [fmt.Stringer] for callers that do not go through fmt.
func (s Secret) String() string { return Redacted }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements [encoding.TextMarshaler], which JSON, XML and TOML
// encoders use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

package provider

import (
	"fmt"
	"log/slog"

	"extdisco/internal/secret"
)

// Secret is a value that redacts itself in every verb of package fmt, in
// log/slog, JSON, XML and TOML. The zero Secret is empty.
type Secret struct{ hidden secret.Secret }

// NewSecret returns a Secret that holds a copy of value.
func NewSecret(value []byte) Secret { return Secret{secret.New(string(value))} }

// Reveal returns a copy of the secret's value.
func (s Secret) Reveal() []byte { return []byte(s.reveal()) }

// IsEmpty reports whether there is nothing to hide.
func (s Secret) IsEmpty() bool { return s.hidden.IsEmpty() }

func (s Secret) reveal() string { return s.hidden.Reveal() }

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, verb rune) { s.hidden.Format(f, verb) }

// String implements [fmt.Stringer].
func (s Secret) String() string { return secret.Redacted }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return s.hidden.LogValue() }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return s.hidden.MarshalText() }

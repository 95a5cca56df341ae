package turncred

import (
	"fmt"
	"log/slog"

	"extdisco/internal/secret"
)

// redacted is embedded in types that hold a secret. Whatever prints them, fmt,
// log/slog or an encoder, prints [secret.Redacted] instead.
type redacted struct{}

// Format implements [fmt.Formatter] for every verb.
func (redacted) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Redacted)) }

// String implements [fmt.Stringer].
func (redacted) String() string { return secret.Redacted }

// LogValue implements [slog.LogValuer].
func (redacted) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText implements [encoding.TextMarshaler], which JSON, XML and TOML
// encoders use.
func (redacted) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }

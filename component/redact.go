package component

import (
	"fmt"
	"log/slog"

	"extdisco/internal/secret"
)

// Format implements [fmt.Formatter]. No verb shows the handshake secret.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, c.String()) }

// String implements [fmt.Stringer], for callers that do not go through fmt.
func (c Config) String() string {
	return fmt.Sprintf("component %s at %s, secret %s", c.JID, c.Server, secret.Redacted)
}

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler], which encoders of JSON, XML and
// TOML ask.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

package command

import (
	"time"

	"extdisco/internal/config"
)

// duration is the value of a flag, written and judged as in config.toml.
type duration time.Duration

// UnmarshalText reads for example 24h. The error says what to write instead.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := config.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

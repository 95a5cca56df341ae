package config

import (
	"testing"

	"go.uber.org/goleak"

	"extdisco/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustLoad loads a configuration that must be valid.
func mustLoad(t testing.TB, file string) *Config {
	t.Helper()
	cfg, err := Load(file, testkit.Time)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

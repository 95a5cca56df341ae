package migrate

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"extdisco/internal/config"
	"extdisco/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustLoad loads a configuration that must be valid.
func mustLoad(t testing.TB, file string) *config.Config {
	t.Helper()
	cfg, err := config.Load(file, testkit.Time)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// TestSecretsFromSystemd reads secrets that LoadCredential= of a folder has
// handed over; the files themselves are for root only.
func TestSecretsFromSystemd(t *testing.T) {
	const config = `[component]
jid = "turn.example.org"
secret_file = "secrets/component.secret"

[[ice_server]]
urls = ["turn:turn.example.org"]
secret_file = "secrets/turn.secret"
`
	const handedOver = "HandedOverSecret0123456789"
	file := testkit.WriteConfig(t, config)
	secrets := filepath.Join(filepath.Dir(file), "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(secrets, "turn.secret"), testkit.SharedSecret)
	credentials := filepath.Join(t.TempDir(), "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	testkit.WriteFile(t, filepath.Join(credentials, "secrets_component.secret"), handedOver+"\n")

	cfg := mustLoad(t, file)
	if got := cfg.Component.Secret.Reveal(); got != handedOver {
		t.Errorf("the handshake secret is %q", got)
	}
	if got := cfg.ICEServers[0].SharedSecret.Reveal(); got != testkit.SharedSecret {
		t.Errorf("the shared secret, which was not handed over, is %q", got)
	}

	absolute := strings.Replace(config, "secrets/component.secret", filepath.Dir(file)+"/component.secret", 1)
	if got := mustLoad(t, overwrite(t, file, absolute)).Component.Secret.Reveal(); got != testkit.Handshake {
		t.Errorf("the handshake secret of an absolute name is %q", got)
	}
	// A name that leads out of the folder of the credentials leads nowhere else.
	testkit.WriteFile(t, filepath.Join(filepath.Dir(credentials), "outside.secret"), handedOver)
	outside := strings.Replace(config, "secrets/component.secret", "../outside.secret", 1)
	if _, err := Load(overwrite(t, file, outside), testkit.Time); err == nil {
		t.Error("a file outside was read")
	}
}

func overwrite(t *testing.T, file, content string) string {
	t.Helper()
	testkit.WriteFile(t, file, content)
	return file
}

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

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
	if got := cfg.Components[0].Secret.Reveal(); got != handedOver {
		t.Errorf("the handshake secret is %q", got)
	}
	if got := cfg.ICEServers[0].SharedSecret.Reveal(); got != testkit.SharedSecret {
		t.Errorf("the shared secret, which was not handed over, is %q", got)
	}

	absolute := strings.Replace(config, "secrets/component.secret", filepath.Dir(file)+"/component.secret", 1)
	if got := mustLoad(t, overwrite(t, file, absolute)).Components[0].Secret.Reveal(); got != testkit.Handshake {
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

// utf16Of returns a text in UTF-16, in one byte order or the other.
func utf16Of(s string, big bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

func TestSecretFiles(t *testing.T) {
	const good = "k7Qe2mN4pR9sT1vX3zB6"
	tests := []struct {
		name, content string
		want          string // the secret
		warning       string // a part of it; "" for none
	}{
		{"no line end", good, good, ""},
		{"line end", good + "\n", good, ""},
		{"line end of Windows", good + "\r\n", good, ""},
		{"line end of old computers", good + "\r", good, ""},
		{"several line ends", good + "\n\n\r\n", good, ""},
		{"line end in front", "\n" + good, good, ""},
		{"line of blanks", good + "\n  \t\n", good, ""},
		{"byte order mark", "\ufeff" + good + "\n", good, ""},
		{"UTF-16, little end first", "\xff\xfe" + utf16Of(good+"\r\n", false), good, ""},
		{"UTF-16, big end first", "\xfe\xff" + utf16Of(good+"\r\n", true), good, ""},
		{"UTF-16 without mark", utf16Of(good+"\n", false), good, ""},
		{"UTF-16 without mark, big end first", utf16Of(good+"\n", true), good, ""},
		{"comment in front", "# the TURN secret\n" + good + "\n", good, ""},
		{"comments around", "# the TURN secret\n\n" + good + "\n  # of turn.example.org\n", good, ""},
		{"secret that begins with #", "#" + good, "#" + good, "looks like a comment"},
		{"comments only", "# one\n# two\n", "# one\n# two", "has 2 lines"},
		{"comment in the style of Lua", "-- " + good, "-- " + good, "looks like a comment"},
		{"comment in the style of C", "// " + good, "// " + good, "looks like a comment"},
		{"line of turnserver.conf", "static-auth-secret=" + good + "\n", good, ""},
		{"line of turnserver.conf with blanks", "  static-auth-secret = " + good + "  \n", good, ""},
		{"line of turnserver.conf with quotes", `static-auth-secret="` + good + `"`, good, ""},
		{"line of turnserver.conf with comment", "# TURN\nstatic-auth-secret=" + good + "\n", good, ""},
		{"line of Prosody", `component_secret = "` + good + `";`, good, ""},
		{"line of Prosody's external_services", `external_service_secret = '` + good + `'`, good, ""},
		{"line of an old module", `turncredentials_secret = "` + good + `"`, good, ""},
		{"option without value", "static-auth-secret=", "static-auth-secret=", ""},
		{"key=", "key=" + good, "key=" + good, "contains NAME=SECRET"},
		{"secret = in quotes", `secret = "` + good + `"`, `secret = "` + good + `"`, "contains NAME=SECRET"},
		{"password:", "password: " + good, "password: " + good, "contains NAME=SECRET"},
		{"export", "export TURN_SECRET=" + good, "export TURN_SECRET=" + good, "contains NAME=SECRET"},
		{"base64 with =", "a7Qe2mN4pR9sT1vX3zB6aa==", "a7Qe2mN4pR9sT1vX3zB6aa==", ""},
		{"colons inside", "k7Qe:2mN4:pR9sT1vX3", "k7Qe:2mN4:pR9sT1vX3", ""},
		{"quotes around", `"` + good + `"`, `"` + good + `"`, "has quotes around"},
		{"single quotes around", "'" + good + "'", "'" + good + "'", "has quotes around"},
		{"typographic quotes around", "“" + good + "”", "“" + good + "”", "has quotes around"},
		{"quote in front only", `"` + good, `"` + good, ""},
		{"a single quote", `"`, `"`, ""},
		{"blank in front", " " + good, " " + good, "has spaces before or after"},
		{"blank behind", good + " \n", good + " ", "has spaces before or after"},
		{"tab behind", good + "\t\n", good + "\t", "has spaces before or after"},
		{"no-break space behind", good + "\u00a0\n", good + "\u00a0", "has spaces before or after"},
		{"zero-width space inside", "k7Qe2mN4\u200bpR9sT1vX3zB6", "k7Qe2mN4\u200bpR9sT1vX3zB6", "contains the invisible character U+200B"},
		{"no-break space inside", "k7Qe2mN4\u00a0pR9sT1vX3zB6", "k7Qe2mN4\u00a0pR9sT1vX3zB6", "contains the invisible character U+00A0"},
		{"control character inside", "k7Qe2mN4\x1bpR9sT1vX3zB6", "k7Qe2mN4\x1bpR9sT1vX3zB6", "contains the invisible character U+001B"},
		{"blank inside", "correct horse battery staple", "correct horse battery staple", ""},
		{"two lines", good + "\n" + good, good + "\n" + good, "has 2 lines"},
		{"three lines", good + "\n" + good + "\n" + good + "\n", good + "\n" + good + "\n" + good, "has 3 lines"},
		{"bytes that are no text", "\xc3\x28k7Qe2mN4pR9sT1vX\n", "\xc3\x28k7Qe2mN4pR9sT1vX", "not UTF-8, and"},
		{"angle brackets", "<your secret here>", "<your secret here>", "looks like a placeholder"},
		{"shell variable", "$TURN_SECRET", "$TURN_SECRET", "looks like a placeholder"},
		{"shell variable in braces", "${TURN_SECRET}", "${TURN_SECRET}", "looks like a placeholder"},
		{"shell command", "$(cat secret)", "$(cat secret)", "looks like a placeholder"},
		{"template", "{{ turn_secret }}", "{{ turn_secret }}", "looks like a placeholder"},
		{"autoconf", "@TURN_SECRET@", "@TURN_SECRET@", "looks like a placeholder"},
		{"variable of Windows", "%TURN_SECRET%", "%TURN_SECRET%", "looks like a placeholder"},
		{"square brackets", "[secret]", "[secret]", "looks like a placeholder"},
		{"underscores", "__TURN_SECRET__", "__TURN_SECRET__", "looks like a placeholder"},
		{"changeme", "changeme", "changeme", "looks like a placeholder"},
		{"CHANGE-ME!", "CHANGE-ME!", "CHANGE-ME!", "looks like a placeholder"},
		{"your-secret", "your-turn-secret", "your-turn-secret", "looks like a placeholder"},
		{"xxxx", "xxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxx", "looks like a placeholder"},
		{"secret", "secret", "secret", "looks like a placeholder"},
		{"placeholder in quotes is told once", `"${SECRET}"`, `"${SECRET}"`, "has quotes around"},
		{"dollar sign inside", "k7Qe$2mN4pR9sT1vX3zB6", "k7Qe$2mN4pR9sT1vX3zB6", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := testkit.WriteFiles(t, "config.toml", testkit.MinimalConfig)
			testkit.WriteFile(t, filepath.Join(dir, "turn.secret"), tt.content)
			cfg := mustLoad(t, filepath.Join(dir, "config.toml"))
			if got := cfg.ICEServers[0].SharedSecret.Reveal(); got != tt.want {
				t.Errorf("secret = %q, want %q", got, tt.want)
			}
			warnings := slices.DeleteFunc(cfg.Warnings, func(w Fault) bool { return strings.Contains(w.Message, "the shared secret has only") })
			switch got := warnings.String(); {
			case tt.warning == "" && got != "", len(warnings) > 1:
				t.Errorf("warnings %s", got)
			case tt.warning != "" && !strings.HasPrefix(got, filepath.Join(dir, "config.toml")+":7: ice_server[0].secret_file: "+filepath.Join(dir, "turn.secret")+" "+tt.warning) &&
				!strings.Contains(got, tt.warning):
				t.Errorf("warnings %q, want %q", got, tt.warning)
			case len(tt.want) > 8 && strings.Contains(got, good):
				t.Errorf("the secret is shown: %s", got)
			}
		})
	}
}

func TestEmptySecretFiles(t *testing.T) {
	for name, content := range map[string]string{"nothing": "", "line end": "\n", "blanks": " \n\t\n", "mark": "\ufeff", "UTF-16": "\xff\xfe\n\x00"} {
		t.Run(name, func(t *testing.T) {
			dir := testkit.WriteFiles(t, "config.toml", testkit.MinimalConfig)
			testkit.WriteFile(t, filepath.Join(dir, "turn.secret"), content)
			_, err := Load(filepath.Join(dir, "config.toml"), testkit.Time)
			if err == nil || !strings.Contains(err.Error(), "turn.secret is empty; write the secret into it") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestInlineSecretsAreLookedAtToo(t *testing.T) {
	for name, value := range map[string]string{"placeholder": "${SECRET}", "NAME=SECRET": "static-auth-secret=k7Qe2mN4pR9sT1vX3zB6",
		"spaces before or after": " k7Qe2mN4pR9sT1vX3zB6", "quotes around": "'k7Qe2mN4pR9sT1vX3zB6'", "invisible character U+FEFF": "k7Qe2mN4pR9sT\ufeff1vX3zB6"} {
		t.Run(name, func(t *testing.T) {
			file := testkit.WriteConfig(t, strings.Replace(testkit.MinimalConfig, `secret_file = "turn.secret"`, `secret = "`+value+`"`, 1))
			warnings := mustLoad(t, file).Warnings.String()
			if !strings.Contains(warnings, file+":7: ice_server[0].secret: the secret") || !strings.Contains(warnings, name) || strings.Contains(warnings, "k7Q") {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestChangedSinceSystemdHandedOver(t *testing.T) {
	file := testkit.WriteConfig(t, strings.ReplaceAll(testkit.MinimalConfig, `secret_file = "`, `secret_file = "secrets/`))
	secrets := filepath.Join(filepath.Dir(file), "secrets")
	credentials := t.TempDir()
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	start := time.Now().Add(-time.Hour)
	for _, name := range []string{"component.secret", "turn.secret"} {
		testkit.WriteFile(t, filepath.Join(secrets, name), testkit.SharedSecret)
		handed := filepath.Join(credentials, "secrets_"+name)
		testkit.WriteFile(t, handed, testkit.SharedSecret)
		for f, at := range map[string]time.Time{handed: start, filepath.Join(secrets, name): start.Add(-time.Minute)} {
			if err := os.Chtimes(f, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if warnings := mustLoad(t, file).Warnings; len(warnings) > 0 {
		t.Errorf("nothing has changed: %s", warnings)
	}
	changed := filepath.Join(secrets, "turn.secret")
	if err := os.Chtimes(changed, start.Add(time.Second), start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, "warnings", mustLoad(t, file).Warnings.String(),
		file+":7: ice_server[0].secret_file: "+changed+" was changed after systemd handed over the secret; restart the service: systemctl restart extdisco")
}

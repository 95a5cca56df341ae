package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// TestSlipsOfTheKeyboardShowNoSecrets takes away each character of a
// configuration in turn, and all that is behind it.
func TestSlipsOfTheKeyboardShowNoSecrets(t *testing.T) {
	dir := testkit.WriteFiles(t)
	content := "[component]\njid = \"turn.example.org\"\nsecret = \"" + testkit.Handshake + "\"\n" + strings.ReplaceAll(testkit.SecretServers, "two.secret", "turn.secret")
	var parts []string // a character may be missing in the middle
	for _, s := range []string{testkit.Handshake, testkit.SharedSecret, testkit.PreviousSecret, testkit.Password, testkit.PseudonymKey, testkit.Token, testkit.RESTKey} {
		parts = append(parts, s[:len(s)/2-1], s[len(s)/2+1:])
	}
	for i := range content {
		for _, slip := range []string{content[:i] + content[i+1:], content[:i]} {
			cfg, err := parse(filepath.Join(dir, "config.toml"), []byte(slip), testkit.Time)
			text := fmt.Sprintf("%v %+v %#v", err, cfg, cfg)
			if cfg != nil {
				text += fmt.Sprint(cfg.Warnings)
			}
			testkit.WantNoSecrets(t, "the loader", text, parts...)
			if t.Failed() {
				t.Fatalf("in\n%s", slip)
			}
		}
	}
}

func TestBrokenConfigsShowNoSecrets(t *testing.T) {
	for file, want := range brokenFiles(t) {
		t.Run(testName(file), func(t *testing.T) {
			testkit.WantNoSecrets(t, "the fault", want, "correct", "horse", "battery", "staple", "of the tests", "12345678")
		})
	}
}

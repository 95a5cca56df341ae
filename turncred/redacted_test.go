package turncred_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"extdisco/turncred"
)

const (
	hiddenSecret   = "correct-horse-battery"
	hiddenPassword = "staple-of-the-relay"
)

// printed returns everything that a program might print of v.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	around := struct {
		V any
		P *any
	}{v, &v}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
		out["struct "+verb] = fmt.Sprintf(verb, around)
	}
	out["String"] = v.(fmt.Stringer).String()
	var log bytes.Buffer
	for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&log, nil), "json": slog.NewJSONHandler(&log, nil)} {
		log.Reset()
		slog.New(handler).Info("m", "v", v, "around", around)
		out["slog "+name] = log.String()
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		b, err := marshal(v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = string(b)
	}
	return out
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	shared := turncred.NewSharedSecret([]byte(hiddenSecret), nil, time.Hour)
	static := turncred.NewStatic("user", []byte(hiddenPassword))
	var minted, fixed turncred.Credential
	shared.Issue(&minted, []byte("juliet@example.org"), time.Unix(1_800_000_000, 0))
	static.Issue(&fixed, nil, time.Time{})
	values := map[string]any{
		"shared secret": shared, "static": static, "pseudonyms": turncred.NewPseudonyms([]byte(hiddenSecret)),
		"minted credential": minted, "pointer to it": &minted, "fixed credential": fixed,
		"copy of static": *static,
	}
	hidden := []string{hiddenSecret, hiddenPassword, string(minted.Password)}
	for name, v := range values {
		for how, text := range printed(t, v) {
			for _, h := range hidden {
				for _, form := range []string{h, fmt.Sprintf("%x", h), fmt.Sprintf("%v", []byte(h)), fmt.Sprintf("%d", []byte(h))[1:20]} {
					if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
						t.Errorf("%s as %s prints a secret: %s", name, how, text)
					}
				}
			}
			if !strings.Contains(text, "[redacted]") && !strings.HasPrefix(how, "struct") {
				t.Errorf("%s as %s does not say that it is redacted: %s", name, how, text)
			}
		}
	}
}

func TestCredentialString(t *testing.T) {
	expires := time.Unix(1_800_003_600, 0)
	tests := []struct {
		name       string
		credential turncred.Credential
		want       string
	}{
		{"expiring", turncred.Credential{Username: []byte("1800003600:ab"), Password: []byte("pw"), Expires: expires},
			"{username 1800003600:ab, password [redacted], expires 2027-01-15T09:00:00Z}"},
		{"fixed", turncred.Credential{Username: []byte("user"), Password: []byte("pw")},
			"{username user, password [redacted], expires never}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.credential.String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			asJSON, err := json.Marshal(tt.credential)
			if want := fmt.Sprintf("%q", tt.want); err != nil || string(asJSON) != want {
				t.Errorf("JSON %s, %v; want %s", asJSON, err, want)
			}
		})
	}
}

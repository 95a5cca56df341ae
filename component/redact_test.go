package component

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// printings returns how v comes out of everything that prints.
func printings(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	fmt.Fprintln(&b, v)
	j, err := json.Marshal(v)
	fmt.Fprintln(&b, string(j), err)
	x, err := xml.Marshal(v)
	fmt.Fprintln(&b, string(x), err)
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
	return b.String()
}

func TestNothingPrintsTheHandshakeSecret(t *testing.T) {
	cfg := ConfigFor(new(TestHandler), slog.New(slog.DiscardHandler))
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	numbers := strings.Trim(fmt.Sprint([]byte(TestSecret)), "[]")
	hexed := hex.EncodeToString([]byte(TestSecret))
	for name, v := range map[string]any{
		"Config": cfg, "pointer to Config": &cfg, "Config in a struct": struct{ C Config }{cfg},
		"Config in a slice": []Config{cfg}, "Component": c,
	} {
		got := printings(v)
		for _, bad := range []string{TestSecret, numbers, hexed, strings.ToUpper(hexed), base64.StdEncoding.EncodeToString([]byte(TestSecret)), "0x68, 0x75, 0x73"} {
			if strings.Contains(got, bad) {
				t.Errorf("%s prints %q in\n%s", name, bad, got)
			}
		}
	}
	if got := cfg.String(); got != "component turn.meet.test at xmpp.test:5347, secret [redacted]" {
		t.Errorf("String: %s", got)
	}
}

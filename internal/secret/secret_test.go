package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"extdisco/internal/secret"
)

const hidden = "correct-horse-battery"

type hidingPlaces struct {
	Exported   secret.Secret
	unexported secret.Secret
	Pointer    *secret.Secret
	List       []secret.Secret
	Map        map[string]secret.Secret
}

type document struct{ S secret.Secret }

func everyPlace() hidingPlaces {
	s := secret.New(hidden)
	return hidingPlaces{s, s, &s, []secret.Secret{s}, map[string]secret.Secret{"k": s}}
}

func TestSecretNeverPrinted(t *testing.T) {
	s, places := secret.New(hidden), everyPlace()
	outputs := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10.3s", "%U"} {
		outputs["value "+verb] = fmt.Sprintf(verb, s)
		outputs["pointer "+verb] = fmt.Sprintf(verb, &s)
		outputs["struct "+verb] = fmt.Sprintf(verb, places)
	}
	outputs["Print"] = fmt.Sprint(s, places)
	outputs["String"] = s.String()
	outputs["error"] = errors.Join(fmt.Errorf("cannot use %v", s)).Error()

	var log bytes.Buffer
	for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&log, nil), "json": slog.NewJSONHandler(&log, nil)} {
		log.Reset()
		slog.New(handler).Info("m", "value", s, "places", places, slog.Group("g", "s", s))
		outputs["slog "+name] = log.String()
	}
	asJSON, err := json.Marshal(places)
	if err != nil {
		t.Fatal(err)
	}
	outputs["json"] = string(asJSON)
	asXML, err := xml.Marshal(document{s})
	if err != nil {
		t.Fatal(err)
	}
	outputs["xml"] = string(asXML)
	var asTOML bytes.Buffer
	if err := toml.NewEncoder(&asTOML).Encode(map[string]any{"s": s}); err != nil {
		t.Fatal(err)
	}
	outputs["toml"] = asTOML.String()

	hex := fmt.Sprintf("%x", hidden)
	for name, out := range outputs {
		if strings.Contains(out, hidden) || strings.Contains(strings.ToLower(out), hex) {
			t.Errorf("%s prints the secret: %s", name, out)
		}
	}
	for name, out := range outputs {
		if strings.HasSuffix(name, "%p") { // asks no method, and prints the address
			continue
		}
		if direct := strings.HasPrefix(name, "value") || strings.HasPrefix(name, "pointer") || name == "String"; direct && out != "[redacted]" {
			t.Errorf("%s is %q", name, out)
		}
		if !strings.Contains(out, "[redacted]") {
			t.Errorf("%s does not say that a secret was redacted: %s", name, out)
		}
	}
}

func TestSecretValue(t *testing.T) {
	if got := secret.New(hidden).Reveal(); got != hidden {
		t.Errorf("Reveal() = %q", got)
	}
	if got := (secret.Secret{}).Reveal(); got != "" {
		t.Errorf("the zero Secret reveals %q", got)
	}
	if !secret.New("").IsEmpty() || !(secret.Secret{}).IsEmpty() || secret.New("x").IsEmpty() {
		t.Error("IsEmpty is wrong")
	}
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) {
		t.Error("Equal is wrong")
	}
}

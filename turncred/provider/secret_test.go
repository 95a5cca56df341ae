package provider_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"extdisco/turncred/provider"
)

// holders are values that hold a secret, in every place of a struct.
func holders(value string) map[string]any {
	s := provider.NewSecret([]byte(value))
	api := provider.API{
		Method: "GET", URL: hide("https://turn.example.org/a?key=" + value), Header: map[string]provider.Secret{"X": s}, Query: map[string]provider.Secret{"X": s},
		Body: s, Bearer: s, User: "u", Password: s,
	}
	api.Then = &api
	server := provider.Server{URLs: []string{"turn:turn.example.org"}, Username: "u", Password: s}
	set := provider.Set{Servers: []provider.Server{server}}
	return map[string]any{
		"Secret": s, "*Secret": &s, "API": api, "*API": &api, "Server": server, "Set": set, "*Set": &set,
		"list": []provider.Secret{s}, "map": map[string]provider.Secret{"k": s},
		"exported":   struct{ S provider.Secret }{s},
		"unexported": struct{ s provider.Secret }{s},
		"set inside": struct{ set provider.Set }{set},
		"API inside": struct{ API provider.API }{api},
		"pointer":    struct{ api *provider.API }{&api},
	}
}

func TestSecretsRedactThemselves(t *testing.T) {
	const value = "HIDDENsecret4"
	for name, v := range holders(value) {
		var texts []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		_ = toml.NewEncoder(&b).Encode(map[string]any{"v": v}) // not all can be encoded
		texts = append(texts, b.String())
		for _, marshal := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
			if out, err := marshal(v); err == nil {
				texts = append(texts, string(out))
			}
		}
		for _, text := range texts {
			if strings.Contains(text, value) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", value)) || strings.Contains(text, fmt.Sprintf("%d", []byte(value))[1:20]) {
				t.Errorf("%s prints its secret: %s", name, text)
			}
		}
	}
}

func TestSecret(t *testing.T) {
	value := []byte("value")
	s := provider.NewSecret(value)
	value[0] = 'x'
	s.Reveal()[0] = 'y'
	if string(s.Reveal()) != "value" || s.IsEmpty() || s.String() != "[redacted]" || fmt.Sprint(s) != "[redacted]" {
		t.Errorf("%q, %v, %s", s.Reveal(), s.IsEmpty(), s)
	}
	var zero provider.Secret
	if !zero.IsEmpty() || len(zero.Reveal()) != 0 || !provider.NewSecret(nil).IsEmpty() {
		t.Error("an empty secret is not empty")
	}
}

func TestAPIPrints(t *testing.T) {
	api := provider.API{Method: "GET", URL: hide("https://turn.example.org/a?key=x")}
	text, err := api.MarshalText()
	if want := "GET https://turn.example.org/a"; fmt.Sprint(api) != want || api.String() != want || string(text) != want || err != nil || api.LogValue().String() != want {
		t.Errorf("API prints %v", api)
	}
	if api.URL = hide("https://%zz/secret"); api.String() != "GET" {
		t.Errorf("API prints %v", api)
	}
}

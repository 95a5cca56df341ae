package setup

import (
	"fmt"
	"strings"
	"testing"

	"extdisco/contrib/jitsi"

	"go.yaml.in/yaml/v3"
)

// TestOverlay holds the overlay for docker compose to what setup writes beside it.
func TestOverlay(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			User        string
			Command     []string
			Volumes     []string
			Healthcheck struct{ Test []string }
			DependsOn   []string `yaml:"depends_on"`
			Networks    map[string]any
		}
	}
	if err := yaml.Unmarshal(jitsi.Overlay, &compose); err != nil {
		t.Fatal(err)
	}
	service, found := compose.Services["extdisco"]
	if !found {
		t.Fatal("there is no service extdisco")
	}
	if want := fmt.Sprintf("%d:%d", jitsiUser.UID, jitsiUser.GID); service.User != want {
		t.Errorf("user %s, but the files belong to %s", service.User, want)
	}
	if got := strings.Join(service.Volumes, " "); got != "${CONFIG}/extdisco:/etc/extdisco:ro,Z" {
		t.Errorf("volumes %s", got)
	}
	if got := strings.Join(service.Command, " "); got != "serve --config /etc/extdisco/config.toml" {
		t.Errorf("command %s", got)
	}
	o := options(newTree(t, "srv/jitsi/.env", strings.ReplaceAll(dockerEnv, "~", "")))
	o.Docker = "/srv/jitsi"
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	_, listen, _ := strings.Cut(readBelow(t, o.Root, ".jitsi-meet-cfg/extdisco/config.toml"), "listen = \"")
	listen, _, _ = strings.Cut(listen, "\"")
	if want := "CMD /extdisco health http://" + listen + "/healthz"; strings.Join(service.Healthcheck.Test, " ") != want {
		t.Errorf("the health check is %s, want %s", service.Healthcheck.Test, want)
	}
	if _, found := service.Networks["meet.jitsi"]; !found || strings.Join(service.DependsOn, " ") != "prosody" {
		t.Errorf("networks %v, after %v", service.Networks, service.DependsOn)
	}
}

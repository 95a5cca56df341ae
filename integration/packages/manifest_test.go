//go:build integration

package packages

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is as much of the Compose specification as compose.yaml uses. What is
// not here is an error: a slip of the keyboard more often than a new key.
type compose struct {
	Services map[string]struct {
		Image      string
		Build      struct{ Context, Dockerfile string }
		Restart    string
		Command    []string
		Entrypoint []string
		Volumes    []string
		Secrets    []string
		Ports      []string
		Tmpfs      []string
		ReadOnly   bool     `yaml:"read_only"`
		DependsOn  []string `yaml:"depends_on"`
		Network    string   `yaml:"network_mode"`
		Drop       []string `yaml:"cap_drop"`
		Security   []string `yaml:"security_opt"`
		Memory     string   `yaml:"mem_limit"`
	}
	Secrets map[string]struct{ File string }
	Volumes map[string]*struct{}
}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(readFile(t, "contrib/container/compose.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantUnderstood checks that the binary understands a command line, by asking for
// help with the same words.
func wantUnderstood(t *testing.T, words []string) {
	t.Helper()
	if out, err := try(t, command, append(slices.Clone(words), "--help")...); err != nil {
		t.Errorf("extdisco does not understand %q: %s", words, out)
	}
}

func TestIntegrationComposeAgrees(t *testing.T) {
	c := readCompose(t)
	wantUnderstood(t, c.Services["extdisco"].Command)
	if got := instruction(t, "CMD"); !slices.Equal(got, c.Services["extdisco"].Command) {
		t.Errorf("the image runs %q", got)
	}
	// What is there only when an administrator has followed the first lines.
	made := []string{"./turnserver.conf", "./certs", "./secrets/component.secret", "./secrets/turn.secret"}
	head, _, _ := strings.Cut(readFile(t, "contrib/container/compose.yaml"), "\nservices:")
	sources := []string{}
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			sources = append(sources, strings.Split(v, ":")[0])
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s has the secret %s, which is not defined", name, secret)
			}
		}
	}
	for _, s := range c.Secrets {
		sources = append(sources, s.File)
	}
	for _, source := range sources {
		_, err := os.Stat(filepath.Join(root, "contrib/container", source))
		switch {
		case !strings.HasPrefix(source, "."): // a volume
			if _, defined := c.Volumes[source]; !defined {
				t.Errorf("the volume %s is not defined", source)
			}
		case slices.Contains(made, source):
			if !strings.Contains(head, strings.TrimPrefix(source, "./")) && !strings.Contains(head, filepath.Base(source)) {
				t.Errorf("nobody is told to make %s", source)
			}
		case err != nil:
			t.Errorf("%s is mounted and not there", source)
		}
	}
	config, lua := readFile(t, "contrib/container/config.toml"), readFile(t, "contrib/container/prosody.cfg.lua")
	for what, found := range map[string]bool{
		"the name of Prosody":     strings.Contains(config, `"prosody:5347"`) && c.Services["prosody"].Image != "",
		"the port for components": strings.Contains(lua, "component_ports = { 5347 }"),
		"the port of [http]":      strings.Contains(config, ":9215\"") && slices.Contains(c.Services["extdisco"].Ports, "127.0.0.1:9215:9215"),
		"the file of the image":   c.Services["extdisco"].Build.Dockerfile == "contrib/container/Containerfile",
	} {
		if !found {
			t.Errorf("%s is another", what)
		}
	}
	for _, m := range regexp.MustCompile(`/run/secrets/([\w.]+)`).FindAllStringSubmatch(config, -1) {
		if !slices.Contains(c.Services["extdisco"].Secrets, m[1]) {
			t.Errorf("the configuration names the secret %s, which the container has not", m[1])
		}
	}
}

// manifest is as much of the objects of Kubernetes as extdisco.yaml uses.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name                string
		Labels, Annotations map[string]string
	}
	Data map[string]string
	Spec struct {
		Replicas int
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxUnavailable int `yaml:"maxUnavailable"`
				MaxSurge       int `yaml:"maxSurge"`
			} `yaml:"rollingUpdate"`
		}
		MinReadySeconds int `yaml:"minReadySeconds"`
		MinAvailable    int `yaml:"minAvailable"` // of a PodDisruptionBudget
		Selector        yaml.Node
		Ports           []port
		Template        struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     pod
		}
	}
}

type port struct {
	Name          string
	Port          int
	ContainerPort int    `yaml:"containerPort"`
	TargetPort    string `yaml:"targetPort"`
}

type pod struct {
	AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            *bool `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
	TopologySpreadConstraints     []struct {
		MaxSkew           int       `yaml:"maxSkew"`
		TopologyKey       string    `yaml:"topologyKey"`
		WhenUnsatisfiable string    `yaml:"whenUnsatisfiable"`
		LabelSelector     yaml.Node `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	SecurityContext struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		RunAsUser      int                   `yaml:"runAsUser"`
		RunAsGroup     int                   `yaml:"runAsGroup"`
		FSGroup        int                   `yaml:"fsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []struct {
		Name, Image     string
		Args            []string
		Ports           []port
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		Resources      struct{ Requests, Limits map[string]string }
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		VolumeMounts   []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
	}
}

type probe struct {
	HTTPGet        struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds  int                         `yaml:"periodSeconds"`
	TimeoutSeconds int                         `yaml:"timeoutSeconds"`
}

func TestIntegrationKubernetesAgrees(t *testing.T) {
	objects := map[string]manifest{}
	d := yaml.NewDecoder(strings.NewReader(readFile(t, "contrib/kubernetes/extdisco.yaml")))
	d.KnownFields(true)
	for {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		objects[m.APIVersion+" "+m.Kind] = m
	}
	config := objects["v1 ConfigMap"].Data["config.toml"]
	deployment, service := objects["apps/v1 Deployment"].Spec, objects["v1 Service"].Spec
	spec := deployment.Template.Spec
	if len(spec.Containers) != 1 || len(service.Ports) != 1 || config == "" {
		t.Fatalf("the objects are %+v", objects)
	}
	c := spec.Containers[0]
	wantUnderstood(t, c.Args)
	image := readFile(t, "contrib/container/Containerfile")
	for what, right := range map[string]bool{
		"two instances, replaced in turn": deployment.Replicas == 2 && deployment.Strategy.Type == "RollingUpdate" &&
			deployment.Strategy.RollingUpdate.MaxUnavailable == 1 && deployment.Strategy.RollingUpdate.MaxSurge == 0 && deployment.MinReadySeconds > 0,
		"one that is always kept":             objects["policy/v1 PodDisruptionBudget"].Spec.MinAvailable == 1,
		"instances on several machines":       spec.TopologySpreadConstraints[0].TopologyKey == "kubernetes.io/hostname" && spec.TopologySpreadConstraints[0].WhenUnsatisfiable == "ScheduleAnyway",
		"the user of the image":               spec.SecurityContext.RunAsUser == imageUser && strings.Contains(image, "\nUSER 65532:65532\n"),
		"not root":                            spec.SecurityContext.RunAsNonRoot && !*c.SecurityContext.AllowPrivilegeEscalation,
		"a read-only root":                    c.SecurityContext.ReadOnlyRootFilesystem,
		"no capabilities":                     slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}),
		"the port of [http]":                  strings.Contains(config, "listen = \"0.0.0.0:9215\"") && c.Ports[0].ContainerPort == 9215 && service.Ports[0].Port == 9215,
		"the port of the image":               strings.Contains(image, "\nEXPOSE 9215\n"),
		"the port of the probes":              c.LivenessProbe.HTTPGet.Port == c.Ports[0].Name && c.ReadinessProbe.HTTPGet.Port == c.Ports[0].Name,
		"the port of the service":             service.Ports[0].TargetPort == c.Ports[0].Name,
		"the paths of the probes":             c.LivenessProbe.HTTPGet.Path == "/healthz" && c.ReadinessProbe.HTTPGet.Path == "/readyz",
		"the port that Prometheus asks":       deployment.Template.Metadata.Annotations["prometheus.io/port"] == "9215",
		"secrets that others cannot read":     spec.Volumes[1].Secret.DefaultMode&0o007 == 0 && spec.Volumes[1].Secret.DefaultMode&0o040 != 0,
		"the group that can read the secrets": spec.SecurityContext.FSGroup == imageUser,
	} {
		if !right {
			t.Errorf("not as it must be: %s", what)
		}
	}
	dir := ""
	for _, m := range c.VolumeMounts {
		if m.Name == "secrets" {
			dir = m.MountPath
		}
	}
	// The configuration is valid, once its secrets are there.
	local := t.TempDir()
	for _, name := range []string{"component.secret", "turn.secret"} {
		writeFile(t, filepath.Join(local, name), "secret-of-the-test-0123456789\n", 0o600)
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, file, replace(t, config, dir+"/", local+"/"), 0o600)
	// In a cluster the link and the pages leave the machine, of which check warns, and of
	// nothing else.
	out := run(t, command, "check", "--config", file)
	if !strings.Contains(out, "config.toml is valid, but 2 things need attention") ||
		!strings.Contains(out, "the link to another machine is not encrypted") || !strings.Contains(out, "http.listen: is open to other machines") {
		t.Errorf("check says %s", out)
	}
}

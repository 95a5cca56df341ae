package setup

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"extdisco/contrib/jitsi"
	"extdisco/internal/config"
	"extdisco/internal/migrate"
)

// jitsiUser owns the files of docker-jitsi-meet: its Prosody runs without root.
var jitsiUser = owner{1000, 1000}

// overlay is the name of our file for docker compose, beside .env.
const overlay = "extdisco.yml"

// planDocker plans for docker-jitsi-meet: the module, the file for conf.d, our
// configuration, the overlay for docker compose, and the variables of .env.
func (s *setup) planDocker(p *Plan) error {
	folder := s.options.Docker
	p.Docker = folder
	content, err := s.tree.read(path.Join(folder, ".env"))
	if err != nil {
		return fmt.Errorf("--docker-jitsi-meet: %w; give the folder that has docker-compose.yml and .env", err)
	}
	if line := goesOn(string(content)); line > 0 {
		return fmt.Errorf("%s, line %d: a value goes on in the next line, and setup would tear it apart; write it on one line", path.Join(folder, ".env"), line)
	}
	env := migrate.ReadEnv(string(content))
	base, err := s.configFolder(env)
	if err != nil {
		return err
	}
	d := docker{folder: folder, base: base, text: string(content), env: env}
	p.Found = append(p.Found, Line{"docker-jitsi-meet", folder + ", configuration in " + base})
	c, err := s.dockerConfig(p, d)
	if err != nil {
		return err
	}
	p.Domain = c.Components[0].Hosts[0]
	// The default is that of docker-compose.yml.
	_, public, _ := strings.Cut(envGet(env, "PUBLIC_URL", "https://localhost:8443"), "://")
	p.webSocket = "wss://" + strings.TrimRight(public, "/") + "/xmpp-websocket"
	if err := s.planModule(p, path.Join(base, "prosody/prosody-plugins-custom"), jitsiUser); err != nil {
		return err
	}
	conf := path.Join(base, "prosody/config/conf.d")
	if err := s.newFile(p, path.Join(conf, confFile), []byte(confText(c.Components[0], true, "*")), 0o640, jitsiUser); err != nil {
		return err
	}
	if err := s.newFile(p, path.Join(folder, overlay), jitsi.Overlay, 0o644, owner{}); err != nil {
		return err
	}
	return s.editFile(p, path.Join(folder, ".env"), withoutOldEnv(d.text, env, "# ", removedSecret), withoutOldEnv(d.text, env, "", notShown))
}

type docker struct {
	folder string // of .env
	base   string // of the configuration, ${CONFIG}
	text   string // of .env
	env    []migrate.Variable
}

// configFolder returns ${CONFIG}.
func (s *setup) configFolder(env []migrate.Variable) (string, error) {
	folder := envGet(env, "CONFIG", "")
	if s.options.DockerConfig != "" {
		folder = s.options.DockerConfig
	}
	if rest, isHome := strings.CutPrefix(folder, "~/"); isHome && s.options.Home != "" {
		folder = path.Join(s.options.Home, rest)
	}
	if !path.IsAbs(folder) || strings.Contains(folder, "$") {
		return "", fmt.Errorf("CONFIG in .env is %q, which names no folder that setup can find; name it with --docker-config DIR", folder)
	}
	return path.Clean(folder), nil
}

// dockerConfig plans config.toml and the secrets, or returns the configuration that is
// there already.
func (s *setup) dockerConfig(p *Plan, d docker) (*config.Config, error) {
	at := place{config: path.Join(d.base, "extdisco/config.toml"), secrets: path.Join(d.base, "extdisco/secrets"), named: "secrets", owner: jitsiUser}
	if c, err := s.existingConfig(p, at.config); c != nil || err != nil {
		return c, err
	}
	domain := envGet(d.env, "XMPP_DOMAIN", "meet.jitsi")
	link := config.Component{JID: "turn." + domain, Hosts: []string{domain},
		Server: envGet(d.env, "XMPP_SERVER", "xmpp.meet.jitsi") + ":5347"}
	if s.options.Component != "" {
		link.JID = s.options.Component
	}
	if s.options.Server != "" {
		link.Server = s.options.Server
	}
	c := &config.Config{Components: []config.Component{link}}
	hidden := envGet(d.env, "XMPP_HIDDEN_DOMAIN", envGet(d.env, "XMPP_RECORDER_DOMAIN", "hidden.meet.jitsi"))
	c.Access.Allow = addMissing([]string{domain, envGet(d.env, "XMPP_GUEST_DOMAIN", "guest.meet.jitsi"), hidden}, s.options.Allow)
	c.HTTP.Listen = "127.0.0.1:9215" // for the health check of the overlay
	p.Found = append(p.Found, Line{"Jitsi Meet", strings.Join(c.Access.Allow, ", ")})
	f, err := s.dockerServers(d)
	if err != nil {
		return nil, err
	}
	p.addServers(f)
	return c, s.planConfig(p, c, f.list, at)
}

// dockerServers finds the TURN servers: those that are named, or those of .env.
func (s *setup) dockerServers(d docker) (*found, error) {
	named, err := s.namedSecret()
	if err != nil {
		return nil, err
	}
	if len(s.options.TURNServers) > 0 {
		return s.namedServers(named, nil)
	}
	list, err := migrate.Read(".env", d.text, "")
	if err != nil {
		return nil, fmt.Errorf("the TURN servers of .env cannot be read: %w", err)
	}
	f := &found{list: list, where: path.Join(d.folder, ".env")}
	f.takeNotes(".env")
	if !relays(list) {
		remarks := strings.Join(append(f.remarks, "name it with --turn-server, once for each URI, and a file with its shared secret with --turn-secret-file FILE"), "; ")
		return nil, fmt.Errorf(".env names no TURN server (TURN_HOST, TURNS_HOST) with a credential: %s", remarks)
	}
	return f, f.complete(named)
}

// openQuote finds a value that begins with a quote, and no such quote behind it.
var openQuote = regexp.MustCompile(`^[ \t]*[A-Za-z_][A-Za-z0-9_ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*|'[^']*)$`)

// goesOn returns the first line of .env whose value does not end in it; 0 for none.
func goesOn(text string) int {
	number := 0
	for line := range strings.Lines(text) {
		number++
		if openQuote.MatchString(strings.TrimRight(line, "\r\n")) {
			return number
		}
	}
	return 0
}

// withoutOldEnv puts a prefix before the variables of the old list, and another value in
// place of secrets.
func withoutOldEnv(text string, env []migrate.Variable, prefix, secret string) string {
	lines := strings.Split(text, "\n")
	for _, v := range env {
		if !slices.Contains(oldEnv, v.Name) {
			continue
		}
		line := &lines[v.Line-1]
		if v.Name == "TURN_CREDENTIALS" || v.Name == "TURN_PASSWORD" {
			end := (*line)[len(strings.TrimRight(*line, "\r")):]
			*line = v.Name + "=" + secret + end
		}
		*line = prefix + *line
	}
	return strings.Join(lines, "\n")
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"mellium.im/xmpp/jid"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

// config is a configuration that was read and found right.
type config struct {
	file       string
	component  componentConfig
	allow      []string // domains and bare JIDs
	iceServers []iceServer
	limits     limitsConfig
	probe      probeConfig
	http       httpConfig
	log        logConfig
	warnings   []string // each with its file, line and key
}

type componentConfig struct {
	jid    string
	server string
	secret secret.Secret
	hosts  []string
}

// equal reports whether both make the same link.
func (c componentConfig) equal(other componentConfig) bool {
	return c.jid == other.jid && c.server == other.server &&
		c.secret.Equal(other.secret) && slices.Equal(c.hosts, other.hosts)
}

// limitsConfig is how many answers there are for a requester's bare JID, for all
// requesters of a domain, and for everybody.
type limitsConfig struct{ perJID, perDomain, total limit.Rate }

type logConfig struct {
	level  slog.Level
	format string // "text" or "json"
	audit  bool   // a line for each credential that is issued
}

const defaultServer = "127.0.0.1:5347"

var defaultPerJID = limit.Rate{Events: 60, Per: time.Minute}

// systemConfig is the configuration of the installed service. The linker sets it
// for another SYSCONFDIR than /etc.
var systemConfig = "/etc/extdisco/config.toml"

// defaultConfigFiles are tried in this order when none is named.
var defaultConfigFiles = []string{"config.toml", systemConfig}

// findConfig returns the file to read.
func findConfig(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	for _, file := range defaultConfigFiles {
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot look at the configuration: %w", err)
		}
	}
	return "", fmt.Errorf("no configuration: there is neither %s; write one (config.toml.example has every key) or name it with --config FILE",
		strings.Join(defaultConfigFiles, " nor "))
}

// loadConfig reads and checks a configuration file. The error joins every fault
// that was found; see [configFault].
func loadConfig(file string, now time.Time) (*config, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	cfg, err := parseConfig(file, content, now)
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// parseConfig checks the content of a configuration file. Files that it names
// are read.
func parseConfig(file string, content []byte, now time.Time) (*config, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var values map[string]any
	if _, err := toml.Decode(string(content), &values); err != nil {
		return nil, syntaxFault(file, err)
	}
	r := &configReader{file: file, lines: findKeyLines(string(content)), now: now}
	root := &configTable{r: r, values: values}
	cfg := &config{file: file}
	cfg.component = readComponent(root)
	cfg.allow = readAccess(root.table("access"), cfg.component.hosts)
	cfg.iceServers = readICEServers(root)
	cfg.limits = readLimits(root.table("limits"))
	cfg.probe = readProbe(root)
	cfg.http = readHTTP(root)
	cfg.log = readLog(root.table("log"))
	root.unknown()
	if r.inlineSecret {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn("", "holds secrets, and everybody on this machine can read it; run: chmod o-r %s", file)
		}
	}
	cfg.warnings = r.warnings
	return cfg, r.err()
}

func syntaxFault(file string, err error) error {
	var parse toml.ParseError
	if errors.As(err, &parse) {
		fault := configFault{file: file, line: parse.Position.Line, message: "this is not TOML: " + parse.Message}
		// The library shows values that it cannot read.
		if namesSecret(parse.LastKey) && !strings.HasPrefix(parse.Message, "Key ") {
			fault.message = "this is not TOML: the value of " + parse.LastKey + " cannot be read; write it on one line and in quotes"
		}
		return fault
	}
	return configFault{file: file, message: "this is not TOML: " + err.Error()}
}

// namesSecret reports whether the value of a key may be a secret.
func namesSecret(key string) bool {
	return slices.ContainsFunc([]string{"secret", "password", "key", "token"}, func(s string) bool { return strings.Contains(key, s) })
}

func readComponent(root *configTable) componentConfig {
	t := root.table("component")
	defer t.unknown()
	if !root.has("component") {
		root.fault("component", "is missing; write [component] with the keys jid and secret_file")
		t.wrong = true
	}
	c := componentConfig{jid: t.string("jid"), server: t.string("server"), secret: t.secret("secret")}
	if !t.has("jid") {
		t.missing("jid", "; write the component's address, as in the XMPP server's configuration, such as \"turn.example.org\"")
	}
	if c.jid != "" {
		address, err := component.ParseJID(c.jid)
		if err != nil {
			t.fault("jid", "%v", err)
		}
		c.jid = address.String()
	}
	c.server = readServer(t, c.server)
	t.requireSecret("secret", "the handshake secret (Prosody: component_secret, ejabberd: password)")
	t.eachString("hosts", func(key, host string) {
		normal, ok := readAddress(t, key, host)
		if ok && strings.Contains(normal, "@") {
			t.fault(key, "%q is not a domain; it has an @", host)
		}
		c.hosts = append(c.hosts, normal)
	})
	if !t.has("hosts") && c.jid != "" {
		_, parent, found := strings.Cut(c.jid, ".")
		if !found {
			t.fault("hosts", "is missing, and component.jid has no parent domain to take instead; write [\"DOMAIN\"], the domain of the users")
		} else {
			c.hosts = []string{parent}
		}
	}
	return c
}

func readServer(t *configTable, server string) string {
	if server == "" {
		return defaultServer
	}
	host, port, err := net.SplitHostPort(server)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || host == "" {
		t.fault("server", "%q is not an address; write HOST:PORT, such as %q or \"[::1]:5347\"", server, defaultServer)
		return server
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		t.warn("server", "the link to %s is not encrypted and carries credentials; keep it on this machine, in a private network or in a tunnel", host)
	}
	return server
}

// readAddress returns a domain or bare JID in the form in which servers write
// it.
func readAddress(t *configTable, name, s string) (string, bool) {
	if strings.Contains(s, "/") {
		t.fault(name, "%q has a resource; write a domain or user@domain, without /", s)
		return "", false
	}
	if strings.Contains(s, "*") {
		t.fault(name, "%q has a *, which stands for nothing here; list each domain", s)
		return "", false
	}
	// An underscore, common in container networks, is refused by the library
	// but not by servers.
	if _, err := jid.Parse(strings.ReplaceAll(s, "_", "-")); err != nil {
		t.fault(name, "%q is not an address (%v); write a domain or user@domain", s, err)
		return "", false
	}
	return component.NormalAddress(s), true
}

func readAccess(t *configTable, hosts []string) []string {
	defer t.unknown()
	var allow []string
	t.eachString("allow", func(key, entry string) {
		if normal, ok := readAddress(t, key, entry); ok {
			allow = append(allow, normal)
		}
	})
	if !t.has("allow") {
		return hosts
	}
	return allow
}

func readLimits(t *configTable) limitsConfig {
	defer t.unknown()
	return limitsConfig{
		perJID:    t.rate("per_jid", defaultPerJID),
		perDomain: t.rate("per_domain", limit.Rate{}),
		total:     t.rate("total", limit.Rate{}),
	}
}

func readLog(t *configTable) logConfig {
	defer t.unknown()
	var level slog.Level
	if err := level.UnmarshalText([]byte(t.oneOf("level", "info", "debug", "warn", "error"))); err != nil {
		level = slog.LevelInfo // the fault is reported already
	}
	cfg := logConfig{level: level, format: t.oneOf("format", "text", "json"), audit: t.bool("audit")}
	if cfg.audit && cfg.level > slog.LevelInfo {
		t.warn("audit", "is true, but the lines are of level info, which log.level leaves out; set level to \"info\"")
	}
	return cfg
}

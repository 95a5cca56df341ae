// Package config reads config.toml. It is the only package that knows TOML: what
// it hands on are plain values that were found valid.
//
// Every fault of a file is reported in one run, with the file, the line, the path
// of the key and what to write instead; see [Fault].
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Config is a configuration that was read and found valid.
type Config struct {
	File       string // as it was named
	Component  Component
	Access     Access
	ICEServers []ICEServer // in the order of the answer
	Limits     Limits
	Probe      Probe
	HTTP       HTTP
	Log        Log
	Warnings   []string // one line each, with file, line and key
}

// Find returns the configuration file to read: the named one, or else the first
// candidate that exists.
func Find(named string, candidates []string) (string, error) {
	if named != "" {
		return named, nil
	}
	for _, file := range candidates {
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot look at the configuration: %w", err)
		}
	}
	return "", fmt.Errorf("no configuration: there is neither %s; write one (config.toml.example has every key) or name it with --config FILE",
		strings.Join(candidates, " nor "))
}

// Load reads and checks a configuration file, and the files that it names. now is
// what expiry dates are compared with. The error joins every [Fault] that was
// found.
func Load(file string, now time.Time) (*Config, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	cfg, err := parse(file, content, now)
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// parse checks the content of a configuration file.
func parse(file string, content []byte, now time.Time) (*Config, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var values map[string]any
	if _, err := toml.Decode(string(content), &values); err != nil {
		return nil, syntaxFault(file, err)
	}
	r := &reader{file: file, lines: findKeyLines(string(content)), now: now}
	root := &table{r: r, values: values}
	cfg := &Config{File: file}
	cfg.Component = readComponent(root)
	cfg.Access = readAccess(root.table("access"), cfg.Component.Hosts)
	cfg.ICEServers = readICEServers(root)
	cfg.Limits = readLimits(root.table("limits"))
	cfg.Probe = readProbe(root)
	cfg.HTTP = readHTTP(root)
	cfg.Log = readLog(root.table("log"))
	root.unknown()
	if r.inlineSecret {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn("", "holds secrets, and everybody on this machine can read it; run: chmod o-r %s", file)
		}
	}
	cfg.Warnings = r.warnings
	return cfg, r.err()
}

func syntaxFault(file string, err error) error {
	var parse toml.ParseError
	if errors.As(err, &parse) {
		fault := Fault{file: file, line: parse.Position.Line, message: "this is not TOML: " + parse.Message}
		// The library shows values that it cannot read.
		if namesSecret(parse.LastKey) && !strings.HasPrefix(parse.Message, "Key ") {
			fault.message = "this is not TOML: the value of " + parse.LastKey + " cannot be read; write it on one line and in quotes"
		}
		return fault
	}
	return Fault{file: file, message: "this is not TOML: " + err.Error()}
}

// namesSecret reports whether the value of a key may be a secret.
func namesSecret(key string) bool {
	return slices.ContainsFunc([]string{"secret", "password", "key", "token"}, func(s string) bool { return strings.Contains(key, s) })
}

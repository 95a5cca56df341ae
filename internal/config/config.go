// Package config reads config.toml. It is the only package that knows TOML: what it hands on are
// plain values that were found valid.
//
// Every fault of a file is reported in one run, with the file, the line, the path of the key and
// what to write instead; see [Fault].
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Config is a configuration that was read and found valid.
type Config struct {
	File       string      // as it was named
	Components []Component // in the order of the file; none where a relay is for credentials that are made elsewhere
	Access     Access
	Relay      Relay
	ICEServers []ICEServer // in the order of the answer
	Offer      Offer
	Limits     Limits
	Probe      Probe
	HTTP       HTTP
	Log        Log
	Warnings   Faults // what is valid, and probably not meant
}

// Find returns the configuration file to read: the named one, or else the first candidate that
// exists.
func Find(named string, candidates []string) (string, error) {
	if named != "" {
		return named, nil
	}
	for _, file := range candidates {
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot look at the configuration: %w", explainOpen(file, true, err))
		}
	}
	return "", fmt.Errorf("no configuration: there is neither %s; run extdisco setup, which writes one, or write it by hand (config.toml.example has every key), or name it with --config FILE",
		strings.Join(candidates, " nor "))
}

// Load reads and checks a configuration file, and the files that it names. now is what expiry
// dates are compared with. The error joins every [Fault] that was found.
func Load(file string, now time.Time) (*Config, error) { return LoadAs(file, now, nil) }

// LoadAs is Load, and reports what the account may not read besides. nil asks for nobody.
func LoadAs(file string, now time.Time, account *Account) (*Config, error) {
	content, err := readRegular(file, true)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	r := &reader{file: file, now: now, account: account}
	if obstacle := account.mayRead(file); obstacle != nil {
		r.fault("", "%v", obstacle)
	}
	return r.config(content)
}

// parse checks the content of a configuration file.
func parse(file string, content []byte, now time.Time) (*Config, error) {
	return (&reader{file: file, now: now}).config(content)
}

// config reads the content of the file.
func (r *reader) config(content []byte) (*Config, error) {
	document, values, err := parseTOML(r.file, content)
	if err != nil {
		r.faults = append(r.faults, *err)
		return nil, r.err()
	}
	r.lines = findKeyLines(document)
	cfg := readAll(&table{r: r, values: values})
	r.reportStrangers()
	if r.inlineSecret {
		if info, err := os.Stat(r.file); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.warn("", "contains secrets, and everybody on this machine can read it; run: chmod o-r %s", r.file)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	cfg.File, cfg.Warnings = r.file, r.warnings
	return cfg, nil
}

// readAll reads the tables of a document.
func readAll(root *table) *Config {
	defer root.unknown()
	cfg := &Config{}
	cfg.Relay = readRelay(root)
	cfg.Components = readComponents(root, cfg.Relay)
	cfg.Access = readAccess(root.table("access"), cfg.Components)
	cfg.ICEServers = readICEServers(root, cfg.Relay)
	cfg.Offer = readOffer(root.table("offer"))
	checkAnswers(root, cfg)
	cfg.Limits = readLimits(root.table("limits"))
	cfg.Probe = readProbe(root)
	checkRotation(root, cfg.ICEServers, cfg.Probe)
	cfg.HTTP = readHTTP(root, len(cfg.Components) > 0, cfg.Relay.On)
	cfg.Log = readLog(root.table("log"))
	return cfg
}

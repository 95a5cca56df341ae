package lab

import (
	"context"
	"errors"
	"path/filepath"
)

// CoturnConfig describes a TURN server that listens and relays on 127.0.0.1.
type CoturnConfig struct {
	Dir string // an existing folder for everything the server reads and writes

	// Secrets are the shared secrets of TURN REST credentials, in order.
	// Database is a line that names a database which has them, such as
	// psql-userdb="…".
	// Users are static accounts, name to password. coturn knows one kind at a
	// time, so that exactly one of the three must be set.
	// An open relay has neither and lets everybody in.
	Secrets   []string
	Database  string
	Users     map[string]string
	OpenRelay bool

	Realm   string // default "example.org"
	NoRealm bool   // leave realm out of the configuration: coturn then sends an empty one

	// CA, when set, makes the server speak TLS on a second port, with a
	// certificate for 127.0.0.1, localhost and CertNames.
	CA        *CA
	CertNames []string

	NoSTUN bool   // do not answer binding requests
	Extra  string // raw configuration lines
}

// Coturn is a running, or stopped, TURN server.
type Coturn struct {
	Port    int // UDP and TCP
	TLSPort int // 0 without a CA

	ConfigFile string // read at each start
	daemon
}

// coturnSettings is what the configuration template sees.
type coturnSettings struct {
	CoturnConfig
	Port, TLSPort, MinPort, MaxPort int
	CertFile, KeyFile               string
}

// StartCoturn starts coturn 4.6 in cfg.Dir. Its log names the user of each
// allocation.
func StartCoturn(ctx context.Context, cfg CoturnConfig) (*Coturn, error) {
	if !cfg.OpenRelay && (len(cfg.Secrets) == 0 && cfg.Database == "") == (len(cfg.Users) == 0) {
		return nil, errors.New("lab: coturn needs either secrets or users")
	}
	if cfg.Realm == "" {
		cfg.Realm = "example.org"
	}
	list, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	settings := coturnSettings{CoturnConfig: cfg, Port: list[0]}
	settings.MinPort, settings.MaxPort = relayRange()
	server := &Coturn{Port: list[0]}
	server.ready = append(server.ready, accepts(loopback(server.Port)))
	if !cfg.NoSTUN {
		server.ready = append(server.ready, answersSTUN(loopback(server.Port)))
	}
	if cfg.CA != nil {
		names := append([]string{"localhost", "127.0.0.1"}, cfg.CertNames...)
		settings.CertFile, settings.KeyFile, err = cfg.CA.Issue(cfg.Dir, names...)
		if err != nil {
			return nil, err
		}
		settings.TLSPort, server.TLSPort = list[1], list[1]
		server.ready = append(server.ready, accepts(loopback(server.TLSPort)))
	}
	config := filepath.Join(cfg.Dir, "turnserver.conf")
	if err := writeConfig(config, "turnserver.conf.tmpl", settings); err != nil {
		return nil, err
	}
	server.ConfigFile = config
	server.name = "coturn"
	server.argv = []string{"turnserver", "-c", config}
	server.dir = cfg.Dir
	server.env = []string{"HOME=" + cfg.Dir}
	server.logs = []string{filepath.Join(cfg.Dir, "turnserver.log")}
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	return server, nil
}

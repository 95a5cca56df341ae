package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// inetrc keeps the Erlang resolver away from DNS.
const inetrc = `{lookup, ["file", "native"]}.
{host, {127,0,0,1}, ["localhost"]}.
`

// StartEjabberd starts ejabberd 23.01 in cfg.Dir and creates the accounts.
//
// The Erlang node is started directly, and without distribution unless it is to be in
// a cluster. ejabberdctl would change to the user ejabberd and leave the port mapper
// epmd behind.
func StartEjabberd(ctx context.Context, cfg XMPPConfig) (*XMPPServer, error) {
	if len(cfg.Hosts) == 0 {
		return nil, errors.New("lab: ejabberd needs a host")
	}
	if cfg.LogLevel == "" {
		cfg.LogLevel = "info"
	}
	libraries, err := ejabberdLibraries()
	if err != nil {
		return nil, err
	}
	settings, err := newXMPPSettings(cfg)
	if err != nil {
		return nil, err
	}
	if err := writeEjabberdFiles(cfg.Dir, settings); err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(cfg.Dir, name) }
	server := settings.server()
	server.name = "ejabberd"
	server.argv = []string{
		"erl", "-boot", "no_dot_erlang", "-noinput", "+sbwt", "none",
		"-mnesia", "dir", quote(in("spool")),
	}
	server.argv = append(server.argv, cfg.Epmd.nodeArgs(cfg.Node)...)
	server.argv = append(server.argv,
		"-s", "ejabberd", "-eval", `{ok, _} = file:script("setup.script").`)
	server.dir = cfg.Dir
	server.env = []string{
		"HOME=" + cfg.Dir, "ERL_LIBS=" + libraries, "ERL_INETRC=" + in("inetrc"),
		"EJABBERD_CONFIG_PATH=" + in("ejabberd.yml"), "EJABBERD_LOG_PATH=" + in("ejabberd.log"),
		"ERL_CRASH_DUMP=" + in("erl_crash.dump"), "ERL_CRASH_DUMP_SECONDS=0",
		"CONTRIB_MODULES_PATH=" + in("contrib"), "CONTRIB_MODULES_CONF_DIR=" + in("contrib"),
	}
	server.env = append(server.env, cfg.Epmd.nodeEnv()...)
	server.logs = []string{in("ejabberd.out")} // ejabberd prints all that it logs
	server.before = func() error { return os.RemoveAll(in("ready")) }
	server.ready = append(server.ready, exists(in("ready")))
	if cfg.STUNPort != 0 {
		server.ready = append(server.ready, answersSTUN(loopback(cfg.STUNPort)))
	}
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	return server, nil
}

// writeEjabberdFiles writes the configuration and setup.script, which the node
// runs after each start: it creates the accounts and then the file "ready".
func writeEjabberdFiles(dir string, settings *xmppSettings) error {
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "inetrc"), []byte(inetrc), 0o644); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := writeConfig(filepath.Join(dir, "setup.script"), "ejabberd.script.tmpl", settings); err != nil {
		return err
	}
	return settings.writeConfig(filepath.Join(dir, "ejabberd.yml"), "ejabberd.yml.tmpl")
}

// ejabberdLibraries finds the folder of the installed Erlang applications,
// whose name contains the machine's architecture.
func ejabberdLibraries() (string, error) {
	found, err := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	if err != nil || len(found) == 0 {
		return "", errors.New("lab: ejabberd is not installed")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(found[0]))), nil
}

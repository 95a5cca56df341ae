package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/reach"
	"extdisco/internal/report"
	"extdisco/internal/rotation"
	"extdisco/internal/source"
)

type checkCommand struct {
	File  string `arg:"" optional:"" help:"The configuration, in place of --config." placeholder:"FILE"`
	As    string `name:"as" help:"Also check that this user may read the files. Default: the service's user extdisco, where it exists, when root checks." placeholder:"USER"`
	Fetch bool   `help:"Also ask each provider once, show what clients would get, look into coturn's databases, and look up the hosts of all servers."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run reports every fault of the configuration, or what it says.
func (c checkCommand) Run(env *environment) error {
	file, err := c.file(env)
	if err != nil {
		return err
	}
	account, err := c.account(env)
	if err != nil {
		return err
	}
	cfg, err := config.LoadAs(file, time.Now(), account)
	checked := report.Checked{File: absolute(file), Err: err, Config: cfg}
	if account != nil {
		checked.As = account.Name
	}
	if err == nil {
		rmemMax, descriptors := machine()
		checked.Warnings = checkMachine(cfg, rmemMax, descriptors)
	}
	if err == nil && c.Fetch {
		c.fetch(&checked)
	}
	if c.JSON {
		err = report.CheckedJSON(env.stdout, checked)
	} else {
		err = report.Check(env.stdout, env.stderr, checked, time.Now())
	}
	return errors.Join(checked.Failure(), err)
}

func (c checkCommand) file(env *environment) (string, error) {
	if c.File != "" && env.configFile != "" {
		return "", usageError{"check: name the configuration once, as FILE or with --config"}
	}
	named := c.File
	if named == "" {
		named = env.configFile
	}
	return config.Find(named, []string{"config.toml", env.program.SystemConfig})
}

// account returns the user in whose name files are read; nil for nobody but the caller.
func (c checkCommand) account(env *environment) (*config.Account, error) {
	name := c.As
	if name == "" {
		if name = env.program.ServiceUser; name == "" || os.Geteuid() != 0 {
			return nil, nil
		}
	}
	account, err := config.LookUpAccount(name)
	switch {
	case err != nil && c.As == "":
		return nil, nil // the service is not installed here
	case err != nil:
		return nil, usageError{"--as: " + err.Error()}
	}
	account.HandedOver = config.HandedOverBy(unitFiles()...)
	return account, nil
}

// unitFiles are where systemd finds the unit of the service.
func unitFiles() []string {
	var files []string
	for _, dir := range []string{"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"} {
		unit := dir + "/systemd/system/extdisco.service"
		more, _ := filepath.Glob(unit + ".d/*.conf")
		files = append(append(files, unit), more...)
	}
	return files
}

// absolute returns the full name of a file, or the name where the folder is unknown.
func absolute(file string) string {
	if full, err := filepath.Abs(file); err == nil {
		return full
	}
	return file
}

// fetch asks each provider, and looks up the hosts of the servers.
func (c checkCommand) fetch(checked *report.Checked) {
	hosts := map[string]string{} // to where they stand
	if r := checked.Config.Relay; r.On {
		hosts[r.Host] = config.RelayKey + ".host"
	}
	for _, s := range checked.Config.ICEServers {
		services := s.Services
		if s.Provider != nil {
			set, err := source.FetchOnce(s.Provider, time.Now())
			fetched := report.Fetched{Key: s.Key, Provider: s.Provider.Name, Err: err}
			if err == nil {
				fetched.Services, fetched.Notes, services = set.Services, set.Notes, set.Services
			}
			checked.Fetched = append(checked.Fetched, fetched)
		}
		if s.Rotation != nil {
			status, err := rotation.Peek(context.Background(), *s.Rotation, time.Now())
			checked.Rotated = append(checked.Rotated, report.Rotated{Key: s.Key, Made: status.Rotated, Note: status.Note, Err: err})
		}
		for _, service := range services {
			if _, known := hosts[service.Host]; !known {
				hosts[service.Host] = s.Key
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpTimeout)
	defer cancel()
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		if warning := lookUp(ctx, net.DefaultResolver, host); warning != "" {
			checked.Warnings = append(checked.Warnings, config.Fault{File: checked.Config.File, Key: hosts[host], Message: warning})
		}
	}
}

// lookUpTimeout bounds the look-ups of all hosts.
const lookUpTimeout = 10 * time.Second

// resolver looks up names, as [net.Resolver] does.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookUp says what is wrong with the addresses of a host; "" for an address and where all is well.
func lookUp(ctx context.Context, r resolver, host string) string {
	if _, err := netip.ParseAddr(host); err == nil || reach.Of(host) != reach.Public {
		return "" // this was looked at without the network
	}
	addresses, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return fmt.Sprintf("the host %s has no address in DNS; add one, or correct the name", host)
		}
		return fmt.Sprintf("the host %s could not be looked up: %v", host, err)
	}
	for _, a := range addresses {
		if kind := reach.OfAddr(a); kind.IsLocal() || kind.IsNowhere() {
			hint := ""
			if kind == reach.Loopback {
				hint = " (see /etc/hosts)"
			}
			return fmt.Sprintf("the host %s has the address %v here, %v%s; check that clients elsewhere are given a public one", host, a.Unmap(), kind, hint)
		}
	}
	return ""
}

package setup

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"extdisco/internal/config"
	"extdisco/internal/migrate"
	"extdisco/internal/relay"
)

// planServers plans the configuration with our own relay, or with the TURN servers that
// find finds.
func (s *setup) planServers(p *Plan, c *config.Config, find func() (*found, error)) error {
	list := &migrate.List{}
	if s.options.Relay {
		if err := s.addRelay(p, c); err != nil {
			return err
		}
	} else {
		f, err := find()
		if err != nil {
			return err
		}
		p.addServers(f)
		list = f.list
	}
	return s.planConfig(p, c, list, place{config: configFile, secrets: secretFolder, named: "secrets", group: "extdisco"})
}

// addRelay puts our own relay into the configuration, if it can work on this machine.
func (s *setup) addRelay(p *Plan, c *config.Config) error {
	coturn, err := s.coturn()
	if err != nil {
		return err
	}
	if coturn != nil {
		return fmt.Errorf("%s configures coturn, which uses the same ports as the relay: leave out --relay to keep coturn; or stop it (systemctl disable --now coturn), move that file away and run setup again", turnserverConf)
	}
	c.Relay = config.Relay{On: true, Host: c.Components[0].Hosts[0]}
	if s.options.TURNHost != "" {
		c.Relay.Host = strings.ToLower(s.options.TURNHost)
	}
	if c.Relay.PublicIP, err = s.publicIP(); err != nil {
		return err
	}
	p.Relay = true
	p.Found = append(p.Found, Line{"Relay", "extdisco's own, at " + c.Relay.Host})
	if s.options.TURNHost == "" {
		p.Remarks = append(p.Remarks, fmt.Sprintf("Clients look for the relay at %s, which must resolve to this machine; --turn-host HOST names another host.", c.Relay.Host))
	}
	p.Remarks = append(p.Remarks,
		fmt.Sprintf("Open these ports: 3478/udp and 3478/tcp for clients, %d-%d/udp for relayed traffic.", relay.DefaultFirstPort, relay.DefaultLastPort),
		fmt.Sprintf("For TURN over TLS, add cert_file and key_file below [relay] in %s, and open 5349/tcp.", configFile))
	return nil
}

// publicIP returns the addresses of --public-ip. Without them this machine must have one of
// its own.
func (s *setup) publicIP() ([]relay.PublicIP, error) {
	var list []relay.PublicIP
	for _, address := range s.options.PublicIP {
		p, err := relay.ParsePublicIP(address)
		if err != nil {
			return nil, fmt.Errorf("--public-ip: %w", err)
		}
		list = append(list, p)
	}
	interfaces := s.options.Interfaces
	if interfaces == nil {
		var err error
		if interfaces, err = relay.InterfaceAddrs(); err != nil {
			return nil, err
		}
	}
	_, err := relay.Addresses(list, interfaces)
	switch {
	case err != nil && len(list) == 0:
		return nil, fmt.Errorf("--relay: %w; name that address with --public-ip ADDRESS", err)
	case err != nil:
		return nil, fmt.Errorf("--public-ip: %s", strings.TrimPrefix(err.Error(), "public_ip: "))
	}
	return list, nil
}

// relayText is the table [relay].
func relayText(r config.Relay) string {
	if len(r.PublicIP) == 0 {
		return fmt.Sprintf("[relay]\nhost = %q\n", r.Host)
	}
	var addresses []string
	for _, p := range r.PublicIP {
		address := p.Public.String()
		if p.Local.IsValid() {
			address += "/" + p.Local.String()
		}
		addresses = append(addresses, address)
	}
	return fmt.Sprintf("[relay]\nhost      = %q\npublic_ip = %s\n", r.Host, quoteList(addresses))
}

// CheckRelayPort returns an error when another program has the port of the relay, udp or
// tcp, at an address such as ":3478".
func CheckRelayPort(address string) error {
	packets, err := net.ListenPacket("udp", address)
	if err == nil {
		err = packets.Close()
	}
	if err == nil {
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			err = listener.Close()
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on port %s, which the relay needs: stop it (coturn: systemctl disable --now coturn), or leave out --relay", strings.TrimPrefix(address, ":"))
	}
	return nil // anything else, serve reports
}

// Command relayserver runs the relay alone, to be measured beside coturn, or in a
// network of its own. It relays to peers that ALLOW names, and sets hardly a limit.
//
//	relayserver LISTEN PUBLICIP ALLOW FIRSTPORT LASTPORT SECRET [TLSLISTEN CERTFILE KEYFILE]
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"extdisco/internal/relay"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "relayserver:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 6 && len(args) != 9 {
		return fmt.Errorf("usage: relayserver LISTEN PUBLICIP ALLOW FIRSTPORT LASTPORT SECRET [TLSLISTEN CERTFILE KEYFILE]")
	}
	public, err := relay.ParsePublicIP(args[1])
	if err != nil {
		return err
	}
	peer, err := relay.ParsePeer(args[2])
	if err != nil {
		return err
	}
	var ports [2]uint16
	for i := range ports {
		n, err := strconv.ParseUint(args[3+i], 10, 16)
		if err != nil {
			return err
		}
		ports[i] = uint16(n)
	}
	limits := relay.DefaultLimits()
	limits.PerUser, limits.Total, limits.Bandwidth = 10_000, 10_000, 0
	limits.Connections, limits.ConnectionsPerSource = 10_000, 10_000
	cfg := relay.Config{
		Host: "example.org", PublicIP: []relay.PublicIP{public}, Listen: []string{args[0]},
		FirstPort: ports[0], LastPort: ports[1], Secrets: relay.Fixed([]byte(args[5])), Limits: limits,
		AllowPeers: []relay.Peer{peer},
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if len(args) == 9 {
		cfg.TLSListen, cfg.CertFile, cfg.KeyFile = args[6:7], args[7], args[8]
	}
	r, err := relay.New(cfg)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return r.Run(ctx, 0)
}

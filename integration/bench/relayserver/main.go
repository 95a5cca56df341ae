// Command relayserver runs the relay alone on loopback, to be measured beside
// coturn. It relays to every peer on loopback.
//
//	relayserver PORT FIRSTPORT LASTPORT SECRET
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
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
	if len(args) != 4 {
		return fmt.Errorf("usage: relayserver PORT FIRSTPORT LASTPORT SECRET")
	}
	var ports [2]uint16
	for i := range ports {
		n, err := strconv.ParseUint(args[1+i], 10, 16)
		if err != nil {
			return err
		}
		ports[i] = uint16(n)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	limits := relay.DefaultLimits()
	limits.PerUser, limits.Total, limits.Bandwidth = 10_000, 10_000, 0
	limits.Connections, limits.ConnectionsPerSource = 10_000, 10_000
	r, err := relay.New(relay.Config{
		Host: "example.org", PublicIP: []relay.PublicIP{{Public: loopback}}, Listen: []string{net.JoinHostPort("127.0.0.1", args[0])},
		FirstPort: ports[0], LastPort: ports[1], Secrets: relay.Fixed([]byte(args[3])), Limits: limits,
		AllowPeers: []relay.Peer{{Prefix: netip.PrefixFrom(loopback, 32)}},
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	if addr := os.Getenv("RELAY_PPROF"); addr != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		go func() { _ = http.ListenAndServe(addr, mux) }()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return r.Run(ctx, 0)
}

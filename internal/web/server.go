package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// maxConnections bounds what strangers can make the process keep.
	maxConnections = 64
	shutdownWait   = time.Second
)

// Server serves a site on one port, and can change to another site while it runs.
type Server struct {
	listener net.Listener
	site     atomic.Pointer[Site]
	http     http.Server
}

// Listen opens the port that address names, HOST:PORT, for a server. Errors say
// what to change.
func Listen(address string, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another program listens on %s already; stop it or choose another port", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on %s is not allowed to this user; choose a port above 1023", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("this machine has no address %s; use one of its own, or 127.0.0.1", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	s := &Server{listener: netutil.LimitListener(l, maxConnections)}
	s.http = http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.site.Load().ServeHTTP(w, r) }),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // above what a provider may take
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers can cause them
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Use makes the server serve site from now on.
func (s *Server) Use(site *Site) { s.site.Store(site) }

// Run serves until ctx ends, then gives requests that are being answered a second,
// and returns. [Server.Use] must have been called.
func (s *Server) Run(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		timeout, cancel := context.WithTimeout(context.Background(), shutdownWait)
		defer cancel()
		if s.http.Shutdown(timeout) != nil {
			_ = s.http.Close()
		}
	}()
	_ = s.http.Serve(s.listener) // it returns when Shutdown is called, and says so
	<-ended
}

// Close gives up the port of a server that does not run.
func (s *Server) Close() { _ = s.listener.Close() }

package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// shutdownWait is how long requests that are being answered may take at the end.
const shutdownWait = time.Second

// Server serves a [Site] on one port. The site can be replaced while it runs.
type Server struct {
	listener net.Listener
	site     atomic.Pointer[Site]
	http     http.Server
	closing  chan struct{} // closed when the end begins
}

// Listen opens the port that address names, HOST:PORT, for a server. With a
// certificate it speaks HTTPS, otherwise HTTP. Errors say what to change.
func Listen(address string, certificate *Certificate, log *slog.Logger) (*Server, error) {
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
	return newServer(l, certificate, log), nil
}

// newServer returns a server on a listener.
func newServer(l net.Listener, certificate *Certificate, log *slog.Logger) *Server {
	s := &Server{listener: newVisitors(l), closing: make(chan struct{})}
	if certificate != nil {
		s.listener = tls.NewListener(s.listener, certificate.config())
	}
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ConnContext:       withVisitor,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // more than a provider may take
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers can cause them
	}
	s.http.RegisterOnShutdown(func() { close(s.closing) })
	return s
}

// serve answers a request with the present site.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.site.Load().serve(w, r, s.closing)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Use makes the server serve site from now on.
func (s *Server) Use(site *Site) { s.site.Store(site) }

// Run serves until ctx ends, then gives requests that are being answered a second.
// It returns an error when it had to stop before ctx ended. [Server.Use] must have
// been called.
func (s *Server) Run(ctx context.Context) error {
	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-serving.Done()
		timeout, cancel := context.WithTimeout(context.Background(), shutdownWait)
		defer cancel()
		if s.http.Shutdown(timeout) != nil {
			_ = s.http.Close()
		}
	}()
	err := s.http.Serve(s.listener) // returns at once when Shutdown is called
	stop()
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving HTTP on %s: %w", s.Addr(), err)
}

// Close closes the port of a server that does not run.
func (s *Server) Close() { _ = s.listener.Close() }

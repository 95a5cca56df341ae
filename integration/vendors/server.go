// Package vendors plays the credential APIs of Cloudflare Realtime TURN, Twilio
// Network Traversal, Metered and Xirsys, of servers of the TURN REST API
// (draft-uberti-behave-turn-rest-00), of STUNner and of Matrix, for tests.
//
// One [Server] speaks for all of them, since their paths differ. It takes the
// requests that the vendors document and gives the answers they document, with
// the status codes and the order of the members; it refuses what they refuse.
// Where a vendor does not document a refusal, the comment at its handler says so.
//
// A server with a shared secret mints credentials of the TURN REST API, so that a
// TURN server with the same secret takes them. [Server.Fail] makes it fail in one
// of many ways; see [Mode].
package vendors

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"extdisco/integration/lab"
)

// Config says what a server plays with. Its zero value is one without HTTPS that
// mints credentials which no TURN server takes.
type Config struct {
	// Dir is an existing folder for the certificates. HTTPS needs it.
	Dir string

	// Secret is the shared secret of a TURN server that is to take the
	// credentials.
	Secret string

	// URLs are ICE URIs that stand in every answer in place of the vendor's own.
	URLs []string

	// Now is the clock of the answers; default time.Now.
	Now func() time.Time
}

// Server is running until it is closed. It is safe for concurrent use.
type Server struct {
	cfg Config
	mux *http.ServeMux
	ca  *lab.CA

	listeners []*listener
	plain     *listener
	secure    *listener // nil without a folder
	elsewhere *listener // what a redirect to another host leads to
	serving   sync.WaitGroup

	right, wrong *tls.Certificate

	mu       sync.Mutex
	closed   bool
	handling sync.WaitGroup
	mode     Mode
	released chan struct{} // closed when the mode ends
	requests []Request
	count    int
	arrived  chan struct{} // closed at the next request
	strays   []Request
	minted   int
	keys     map[string]time.Time // API keys that Metered made, and their ends
	revoked  []string
}

// Request is one that the server got.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   string
	TLS    bool
}

// remembered is how many requests are kept.
const remembered = 100

type listener struct {
	net.Listener
	server *http.Server
}

// New starts a server on free ports of 127.0.0.1.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), released: make(chan struct{}), arrived: make(chan struct{}), keys: map[string]time.Time{}}
	s.routes()
	var err error
	if s.plain, err = s.listen(http.HandlerFunc(s.serve)); err != nil {
		return nil, err
	}
	if s.elsewhere, err = s.listen(http.HandlerFunc(s.stray)); err != nil {
		s.Close()
		return nil, err
	}
	if cfg.Dir != "" {
		if err := s.listenTLS(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Close ends the server, and the requests that it is busy with.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.released)
	s.mu.Unlock()
	for _, l := range s.listeners {
		_ = l.server.Close()
	}
	s.serving.Wait()
	s.handling.Wait()
}

// URL is the server's address, for plain HTTP, without a slash at its end. For
// Cloudflare /v1 follows.
func (s *Server) URL() string { return "http://" + s.plain.Addr().String() }

// SecureURL is the server's address for HTTPS. Its certificate is valid for
// localhost too.
func (s *Server) SecureURL() string { return "https://" + s.secure.Addr().String() }

// CAFile is a PEM file with the authority of the server's certificate.
func (s *Server) CAFile() string { return s.ca.CertFile }

// CA returns the same as a pool.
func (s *Server) CA() *x509.CertPool { return s.ca.Pool }

// Count returns how many requests there were.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Await waits until there were at least count requests.
func (s *Server) Await(ctx context.Context, count int) error {
	for {
		s.mu.Lock()
		enough, arrived := s.count >= count, s.arrived
		s.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("vendors: %d requests, want %d: %w", s.Count(), count, context.Cause(ctx))
		}
	}
}

// Requests returns the last requests, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Strays returns the requests that followed a redirect to another host. There
// must be none.
func (s *Server) Strays() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.strays)
}

// Revoked returns the usernames that were revoked at Cloudflare.
func (s *Server) Revoked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.revoked)
}

func (s *Server) listen(handler http.Handler) (*listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("vendors: %w", err)
	}
	return s.start(l, handler), nil
}

func (s *Server) start(l net.Listener, handler http.Handler) *listener {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // failed handshakes are what is tested
	}
	// Each request has a connection of its own, so that Fail counts for all that
	// come after it.
	server.SetKeepAlivesEnabled(false)
	started := &listener{l, server}
	s.listeners = append(s.listeners, started)
	s.serving.Go(func() { _ = server.Serve(l) })
	return started
}

func (s *Server) listenTLS() (err error) {
	if s.ca, err = lab.NewCA(s.cfg.Dir); err != nil {
		return err
	}
	if s.right, err = s.certificate("127.0.0.1", "localhost"); err != nil {
		return err
	}
	if s.wrong, err = s.certificate("somebody-else.example.org"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("vendors: %w", err)
	}
	s.secure = s.start(tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if mode, _ := s.current(); mode == WrongCertificate {
				return s.wrong, nil
			}
			return s.right, nil
		},
	}), http.HandlerFunc(s.serve))
	return nil
}

func (s *Server) certificate(names ...string) (*tls.Certificate, error) {
	cert, key, err := s.ca.Issue(s.cfg.Dir, names...)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("vendors: %w", err)
	}
	return &pair, nil
}

// serve remembers a request, and answers or fails.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	request, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.handling.Add(1)
	defer s.handling.Done()
	s.count++
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.requests = append(s.requests, request)
	if len(s.requests) > remembered {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	mode, released := s.mode, s.released
	s.mu.Unlock()
	s.act(mode, released, w, r)
}

// stray remembers a request that should not have come, and gives an answer that
// would be taken.
func (s *Server) stray(w http.ResponseWriter, r *http.Request) {
	request, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	s.strays = append(s.strays, request)
	s.mu.Unlock()
	s.mux.ServeHTTP(w, r)
}

// read takes a request in, whose body can be read once more afterwards.
func read(w http.ResponseWriter, r *http.Request) (Request, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return Request{}, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(),
		Body: string(body), TLS: r.TLS != nil,
	}, true
}

package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/internal/web"
)

// webServer is the HTTP server of a running daemon, if there is one. A reload may
// start, move and end it. It belongs to one goroutine.
type webServer struct {
	backend web.Backend
	metrics http.Handler
	log     *slog.Logger
	notice  io.Writer // a terminal, where the token that was made is shown; nil for none

	cfg    config.HTTP
	token  secret.Secret // that was made, since none is configured
	server *web.Server   // nil when nothing is served
	stop   context.CancelFunc
	done   chan struct{}
}

// use makes the server serve what cfg says. With an error it serves as before.
func (w *webServer) use(cfg config.HTTP, now time.Time) error {
	if w.cfg.Equal(cfg) {
		return nil
	}
	if w.cfg.Listen != cfg.Listen || w.cfg.Certificate != cfg.Certificate {
		if err := w.move(cfg, now); err != nil {
			return err
		}
	} else if w.server != nil {
		w.server.Use(w.site(cfg, now))
	}
	w.cfg = cfg
	return nil
}

// move starts to listen on another address, or ends. The old port is closed
// before: both may be the same port, on one address and on all.
func (w *webServer) move(cfg config.HTTP, now time.Time) error {
	w.close()
	err := w.start(cfg, now)
	if err != nil && w.cfg.Listen != "" {
		if again := w.start(w.cfg, now); again != nil {
			w.log.Error("the HTTP server is off until the next reload", "err", again.Error())
			w.cfg = config.HTTP{}
		}
	}
	return err
}

func (w *webServer) start(cfg config.HTTP, now time.Time) error {
	if cfg.Listen == "" {
		return nil
	}
	var certificate *web.Certificate
	scheme := "http"
	if cfg.Certificate.IsSet() {
		var err error
		if certificate, err = web.LoadCertificate(cfg.Certificate.CertFile, cfg.Certificate.KeyFile, w.log); err != nil {
			return fmt.Errorf("http.cert_file: %w", err)
		}
		scheme = "https"
	}
	server, err := web.Listen(cfg.Listen, certificate, w.log)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	server.Use(w.site(cfg, now))
	ctx, stop := context.WithCancel(context.Background())
	w.server, w.stop, w.done = server, stop, make(chan struct{})
	go func() {
		defer close(w.done)
		if err := server.Run(ctx); err != nil {
			w.log.Error("the HTTP server has stopped; health, metrics and the status page are unavailable until a restart", "err", err)
		}
	}()
	w.log.Info("serving health, metrics and the status page", "url", scheme+"://"+server.Addr()+"/")
	return nil
}

// close ends the server and waits for it.
func (w *webServer) close() {
	if w.server == nil {
		return
	}
	w.stop()
	<-w.done
	w.server = nil
}

func (w *webServer) site(cfg config.HTTP, now time.Time) *web.Site {
	token := cfg.Token
	if token.IsEmpty() {
		token = w.ownToken()
	}
	return web.New(web.Config{
		Hosts: cfg.Hosts, Token: token, Clients: clients(cfg.Clients),
		Metrics: w.metrics, Backend: w.backend, Log: w.log,
	}, now)
}

// ownToken returns the token of the process, which is shown once, on a terminal.
// Anywhere else standard error is stored, by the journal or a log collector, and must
// hold no secret. There the page has no token until one is configured.
func (w *webServer) ownToken() secret.Secret {
	switch {
	case !w.token.IsEmpty():
	case w.notice != nil:
		token := rand.Text()
		w.token = secret.New(token)
		fmt.Fprintf(w.notice, "extdisco: the token of the status page until extdisco is restarted (http.token_file sets a lasting one): %s\n", token)
	default:
		w.log.Info("the status page has no token, so nobody can try the relays there",
			"do", "set http.token_file and reload; openssl rand -hex 16 makes a token")
	}
	return w.token
}

func clients(configured []config.RESTClient) []web.Client {
	var out []web.Client
	for _, c := range configured {
		out = append(out, web.Client{Name: c.Name, Key: c.Key})
	}
	return out
}

package command

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

type healthCommand struct {
	URL string `arg:"" name:"url" optional:"" default:"http://127.0.0.1:9215/healthz" help:"Address to ask. Default: http://127.0.0.1:9215/healthz."`
}

// Help is printed below the flags.
func (healthCommand) Help() string {
	return `Meant for container images, which have no other program to ask with. The instance needs [http] in its configuration. /healthz tells whether the process is alive, /readyz whether it is connected, or stands by for another instance, and has something to offer.

Example: extdisco health http://127.0.0.1:9215/readyz`
}

const (
	healthTimeout = 5 * time.Second
	maxHealth     = 4 << 10 // of the answer, in bytes
)

// Run asks a running instance for its health and fails unless it is healthy.
func (c healthCommand) Run(env *environment) error {
	// No proxy, whatever the environment says: what is asked is here.
	client := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{TLSClientConfig: healthTLS(c.URL)}}
	defer client.CloseIdleConnections()
	response, err := client.Get(c.URL)
	if err != nil {
		return fmt.Errorf("%w; is extdisco running, with [http] in its configuration?", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return fmt.Errorf("%s: %w", c.URL, err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return errors.New(c.URL + ": " + response.Status + ": " + text)
	}
	_, err = fmt.Fprintln(env.stdout, text)
	return err
}

// healthTLS returns how to check the certificate of the instance. On this machine it is
// not checked: the instance answers there under a name that is not in it.
func healthTLS(address string) *tls.Config {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: u.Hostname() == "localhost" || err == nil && ip.IsLoopback()}
}

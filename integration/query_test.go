//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationQueryLogins logs in over TLS in both ways and with every
// mechanism, and refuses what must be refused.
func TestIntegrationQueryLogins(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		var ca *lab.CA
		s := newScene(t, kind, sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
			var err error
			if ca, err = lab.NewCA(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			cfg.CA = ca
		}})
		alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
		mallory := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile("wrong")}
		starttls := []string{"--address", s.xmpp.C2SAddr, "--tls", "starttls"}
		direct := []string{"--address", s.xmpp.DirectTLSAddr, "--tls", "direct"}
		trusted := []string{"--ca-file", ca.CertFile}
		tests := []struct {
			name   string
			domain string
			args   [][]string
			fails  string // part of the error; empty when it works
		}{
			{"anonymous over STARTTLS", meetHost, [][]string{starttls, trusted}, ""},
			{"anonymous over direct TLS", meetHost, [][]string{direct, trusted}, ""},
			{"account over STARTTLS", corpHost, [][]string{starttls, trusted, alice}, ""},
			{"account over direct TLS", corpHost, [][]string{direct, trusted, alice}, ""},
			{"insecure", meetHost, [][]string{starttls, {"--insecure"}}, ""},
			{"certificate of an unknown CA", meetHost, [][]string{starttls}, "--ca-file"},
			{"certificate of an unknown CA over direct TLS", meetHost, [][]string{direct}, "--ca-file"},
			{"wrong password", corpHost, [][]string{starttls, trusted, mallory}, "the password in --password-file"},
			{"anonymous where accounts are wanted", corpHost, [][]string{starttls, trusted}, "--jid"},
			{"nothing listens there", meetHost, [][]string{{"--address", "127.0.0.1:1"}}, "--address"},
			{"port for components", meetHost, [][]string{trusted, {"--address", s.xmpp.ComponentAddr, "--timeout", "2s"}}, "--address"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				args := []string{"query", tt.domain}
				for _, a := range tt.args {
					args = append(args, a...)
				}
				var stdout, stderr bytes.Buffer
				cmd := exec.CommandContext(stepContext(t), binary, args...)
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				err := cmd.Run()
				var exit *exec.ExitError
				switch {
				case tt.fails == "" && err != nil:
					t.Fatalf("%v: %s", err, stderr.String())
				case tt.fails == "" && strings.Count(stdout.String(), "turns ") != 2:
					t.Errorf("printed %s", stdout.String())
				case tt.fails != "" && (!errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), tt.fails)):
					t.Errorf("%v: %s, want status 1 and %q", err, stderr.String(), tt.fails)
				}
			})
		}
	})
}

// TestIntegrationQueryForms prints what the server said in the forms for people
// and for web pages.
func TestIntegrationQueryForms(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	run := func(form ...string) string {
		args := append([]string{"query", meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}, form...)
		out, err := exec.CommandContext(stepContext(t), binary, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	table := run()
	for _, want := range []string{"TYPE", "meet.example.org answered urn:xmpp:extdisco:2 with 5 services in", "meet.example.org answered urn:xmpp:extdisco:1 with 5 services in", "turns"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no %q:\n%s", want, table)
		}
	}
	if strings.Contains(table, "! ") {
		t.Errorf("query finds fault with our own answer:\n%s", table)
	}
	var rtc []struct {
		URLs                 []string
		Username, Credential string
	}
	if err := json.Unmarshal([]byte(run("--rtc")), &rtc); err != nil {
		t.Fatal(err)
	}
	if len(rtc) != 3 || len(rtc[1].URLs) != 3 || rtc[1].Credential == "" || rtc[0].Username != "" {
		t.Errorf("RTCIceServer list is %+v", rtc)
	}
}

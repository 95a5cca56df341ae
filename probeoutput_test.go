package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
)

// probedTests are servers in the states that they can be in.
func probedTests() []probed {
	refused := &stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: 401}}
	turn := func(host, transport string) probe.Server {
		return probe.Server{Type: "turn", Host: host, Port: 3478, Transport: transport, Username: "1795234200:healthcheck", Password: secret.New(testPassword)}
	}
	tls := probe.Server{Type: "turns", Host: "turn.example.org", Port: 5349, Transport: "tcp", Username: "1795234200:healthcheck", Password: secret.New(testPassword)}
	at := func(address string, steps ...probe.StepResult) probe.AddressResult {
		return probe.AddressResult{Address: netip.MustParseAddrPort(address), Steps: steps}
	}
	step := func(s probe.Step, took time.Duration) probe.StepResult {
		return probe.StepResult{Step: s, Took: took}
	}
	bound := step(probe.StepBinding, 1234*time.Microsecond)
	works := at("192.0.2.1:3478", step(probe.StepConnect, 0), bound, step(probe.StepAllocate, 2300*time.Microsecond))
	works.Relayed = netip.MustParseAddrPort("192.0.2.1:50000")
	works.Notes = []string{probe.NoteNoEcho}
	noWay := at("[2001:db8::1]:3478")
	noWay.Failure = &probe.Failure{Step: probe.StepConnect, Kind: probe.KindNoRoute, Err: syscall.ENETUNREACH}
	wrongSecret := at("192.0.2.2:3478", step(probe.StepConnect, 0), bound)
	wrongSecret.Failure = &probe.Failure{Step: probe.StepAllocate, Kind: probe.KindUnauthorized, Code: 401, Err: refused}
	closed := at("192.0.2.3:3478")
	closed.Failure = &probe.Failure{Step: probe.StepBinding, Kind: probe.KindTimeout, Err: os.ErrDeadlineExceeded}
	secure := at("192.0.2.1:5349", step(probe.StepTLS, 3*time.Millisecond), bound)
	secure.Certificate = &probe.Certificate{Names: []string{"turn.example.org"}, NotBefore: testTime.Add(-80 * 24 * time.Hour), NotAfter: testTime.Add(10 * 24 * time.Hour)}
	return []probed{
		{"ice_server[0]", probe.Result{Server: turn("turn.example.org", "udp"), Addresses: []probe.AddressResult{works, noWay}}},
		{"ice_server[0]", probe.Result{Server: tls, Addresses: []probe.AddressResult{secure}}},
		{"ice_server[1]", probe.Result{Server: turn("192.0.2.2", "udp"), Addresses: []probe.AddressResult{wrongSecret}}},
		{"ice_server[1]", probe.Result{Server: turn("192.0.2.2", "tcp"), Addresses: []probe.AddressResult{wrongSecret}}},
		{"ice_server[2]", probe.Result{Server: turn("two.example.org", "udp"), Addresses: []probe.AddressResult{closed, works}}},
		{"ice_server[3]", probe.Result{Server: turn("nosuch.example.org", "udp"), Failure: &probe.Failure{Step: probe.StepResolve, Kind: probe.KindNoName, Err: &net.DNSError{IsNotFound: true}}}},
	}
}

func TestPrintProbed(t *testing.T) {
	var table, document bytes.Buffer
	if err := printProbed(&table, probedTests(), testTime); err != nil {
		t.Fatal(err)
	}
	if err := printJSON(&document, newProbedJSON(probedTests())); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"probed.txt": table.String(), "probed.json": document.String()} {
		want, err := os.ReadFile("testdata/probe/" + name)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, name, got, string(want))
		if strings.Contains(got, testPassword) || strings.Contains(got, "healthcheck") {
			t.Errorf("%s has the credential", name)
		}
	}
	if !json.Valid(document.Bytes()) {
		t.Error("no JSON")
	}
}

func TestPrintProbedOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := printProbed(&out, nil, testTime); err != nil || out.String() != "There is no STUN or TURN server to try.\n" {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestProbeFailure(t *testing.T) {
	all := probedTests()
	if err := probeFailure(all[:2]); err != nil {
		t.Errorf("%v, and those work", err)
	}
	if err := probeFailure(all); err == nil || err.Error() != "4 of 6 servers do not work from here" {
		t.Errorf("%v", err)
	}
}

func TestProbeWrongUsage(t *testing.T) {
	file := writeConfig(t, minimalConfig)
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no time":             {[]string{"probe", "--timeout", "0s"}, statusUsage, "--timeout"},
		"a peer without port": {[]string{"probe", "--peer", "192.0.2.1"}, statusUsage, "--peer"},
		"no such CA file":     {[]string{"probe", "--ca-file", "missing.pem", "--config", file}, statusFailed, "missing.pem"},
		"no configuration":    {[]string{"probe", "--config", file + ".missing"}, statusFailed, "cannot read the configuration"},
		"query with --rtc":    {[]string{"query", "example.org", "--probe", "--rtc"}, statusUsage, "--rtc"},
		"query without time":  {[]string{"query", "example.org", "--probe", "--timeout", "0s"}, statusUsage, "--timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := runCommand(t, "", tt.args...); r.status != tt.status || !strings.Contains(r.stderr, tt.want) || r.stdout != "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Hosts are tried side by side, and the servers of one host in turn: they share the
// quota of our user.
func TestProbeTriesAHostInTurn(t *testing.T) {
	var targets []probed
	for range 4 {
		for _, host := range []string{"a.example.org", "b.example.org", "A.example.org."} {
			targets = append(targets, probed{host, probe.Result{Server: probe.Server{Host: host}}})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var running [2]atomic.Int32
		start := time.Now()
		results := (&environment{stderr: new(bytes.Buffer)}).tryAll(targets, func(s probe.Server) probe.Result {
			host := &running[strings.Count(s.Host, "b")]
			if host.Add(1) != 1 {
				t.Errorf("%s is tried twice at once", s.Host)
			}
			defer host.Add(-1)
			time.Sleep(time.Second)
			return probe.Result{Server: s}
		})
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("took %v", took)
		}
		for i, r := range results {
			if r.key != targets[i].key || r.result.Server.Host != r.key {
				t.Errorf("result %d is of %s", i, r.key)
			}
		}
	})
}

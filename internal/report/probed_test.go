package report

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/internal/testkit"
)

// probedTests are servers in the states that they can be in.
func probedTests() []Tried {
	refused := &stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: 401}}
	turn := func(host, transport string) probe.Server {
		return probe.Server{Type: "turn", Host: host, Port: 3478, Transport: transport, Username: "1795234200:healthcheck", Password: secret.New(testkit.Password)}
	}
	tls := probe.Server{Type: "turns", Host: "turn.example.org", Port: 5349, Transport: "tcp", Username: "1795234200:healthcheck", Password: secret.New(testkit.Password)}
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
	secure.Certificate = &probe.Certificate{Names: []string{"turn.example.org"}, NotBefore: testkit.Time.Add(-80 * 24 * time.Hour), NotAfter: testkit.Time.Add(10 * 24 * time.Hour)}
	return []Tried{
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
	if err := Probed(&table, probedTests(), testkit.Time); err != nil {
		t.Fatal(err)
	}
	if err := ProbedJSON(&document, probedTests()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"probed.txt": table.String(), "probed.json": document.String()} {
		wantGolden(t, got, "testdata/probe/"+name)
		if strings.Contains(got, testkit.Password) || strings.Contains(got, "healthcheck") {
			t.Errorf("%s has the credential", name)
		}
	}
	if !json.Valid(document.Bytes()) {
		t.Error("no JSON")
	}
}

func TestPrintProbedOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := Probed(&out, nil, testkit.Time); err != nil || out.String() != "There is no STUN or TURN server to try.\n" {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestProbeFailure(t *testing.T) {
	all := probedTests()
	if err := ProbeFailure(all[:2]); err != nil {
		t.Errorf("%v, and those work", err)
	}
	if err := ProbeFailure(all); err == nil || err.Error() != "4 of 6 servers do not work from here" {
		t.Errorf("%v", err)
	}
}

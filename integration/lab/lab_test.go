//go:build integration

package lab

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		ownServer(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

const testSecret = "first shared secret"

// servers are the XMPP servers that must behave alike.
var servers = map[string]func(context.Context, XMPPConfig) (*XMPPServer, error){
	"prosody":  StartProsody,
	"ejabberd": StartEjabberd,
}

func testConfig(t *testing.T) XMPPConfig {
	ca, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return XMPPConfig{
		Dir: t.TempDir(),
		CA:  ca,
		Hosts: []Host{
			{Name: "meet.example.org", Users: map[string]string{"alice": `pass "word"`, "bob": "x"}, DelegateTo: "turn.example.org"},
			{Name: "guest.example.org", Anonymous: true, DelegateTo: "turn.example.org"},
			{Name: "plain.example.org"},
		},
		Components: []Component{
			{JID: "turn.example.org", Secret: "s3cret", Delegation: true, KickOld: true},
			{JID: "other.example.org", Secret: "0ther"},
		},
	}
}

func startXMPP(t *testing.T, start func(context.Context, XMPPConfig) (*XMPPServer, error), cfg XMPPConfig) *XMPPServer {
	t.Helper()
	began := time.Now()
	server, err := start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	return server
}

func TestIntegrationLabXMPPServerRestartsOnSamePorts(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := startXMPP(t, start, testConfig(t))
			if err := server.Start(t.Context()); err == nil {
				t.Error("second Start of a running server succeeded")
			}
			for end, stop := range map[string]func() error{"stop": server.Stop, "kill": server.Kill} {
				expectStream(t, server.C2SAddr)
				began := time.Now()
				if err := errors.Join(stop(), stop()); err != nil {
					t.Fatalf("%s: %v", end, err)
				}
				ended := time.Now()
				if conn, err := net.Dial("tcp", server.C2SAddr); err == nil {
					conn.Close()
					t.Errorf("%s: port is still open", end)
				}
				if err := server.Start(t.Context()); err != nil {
					t.Fatalf("after %s: %v", end, err)
				}
				t.Logf("%s %v, start again %v", end, ended.Sub(began).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond))
			}
			expectStream(t, server.C2SAddr)
			component(t, server, "turn.example.org", "s3cret")
			component(t, server, "other.example.org", "0ther")
		})
	}
}

func TestIntegrationLabXMPPUsersCanLogIn(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.CA = nil // PLAIN must be offered without TLS
			server := startXMPP(t, start, cfg)
			plain := base64.StdEncoding.EncodeToString([]byte("\x00alice\x00" + `pass "word"`))
			expectLogin(t, server.C2SAddr, "meet.example.org", "PLAIN", plain)
			expectLogin(t, server.C2SAddr, "guest.example.org", "ANONYMOUS", "")
		})
	}
}

func TestIntegrationLabXMPPDirectTLS(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			server := startXMPP(t, start, cfg)
			for _, host := range []string{"meet.example.org", "guest.example.org", "127.0.0.1"} {
				conn, err := tls.Dial("tcp", server.DirectTLSAddr, &tls.Config{RootCAs: cfg.CA.Pool, ServerName: host})
				if err != nil {
					t.Errorf("%s: %v", host, err)
					continue
				}
				exchange(t, conn, header("meet.example.org", "jabber:client"), "</stream:features>")
				conn.Close()
			}
			conn := dial(t, server.C2SAddr)
			if got := exchange(t, conn, header("meet.example.org", "jabber:client"), "</stream:features>"); !strings.Contains(got, "<starttls") {
				t.Errorf("no STARTTLS in %s", got)
			}
			exchange(t, conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed")
			secure := tls.Client(conn, &tls.Config{RootCAs: cfg.CA.Pool, ServerName: "meet.example.org"})
			if err := secure.HandshakeContext(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIntegrationLabXMPPSignal(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := startXMPP(t, start, testConfig(t))
			if err := server.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			conn := dial(t, server.C2SAddr) // the kernel accepts
			io.WriteString(conn, header("meet.example.org", "jabber:client"))
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a stopped server answered: %d bytes, %v", n, err)
			}
			if err := server.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			expectStream(t, server.C2SAddr)
			if err := server.Signal(syscall.SIGSTOP); err != nil { // Stop must wake it
				t.Fatal(err)
			}
		})
	}
}

func TestIntegrationLabXMPPStartReportsLog(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.Hosts[0].Users = nil // prosodyctl would find the mistake first
			cfg.Extra = "this is: [no configuration"
			if server, err := start(t.Context(), cfg); err == nil {
				server.Stop()
				t.Error("started with a broken configuration")
			} else if !strings.Contains(err.Error(), "it ended") || strings.Count(err.Error(), "\n") == 0 {
				t.Errorf("error without the log: %v", err)
			}
		})
	}
}

func TestIntegrationLabXMPPMinimal(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := startXMPP(t, start, XMPPConfig{Dir: t.TempDir(), Hosts: []Host{{Name: "meet.example.org"}}})
			expectStream(t, server.C2SAddr)
		})
	}
}

func TestIntegrationLabXMPPDelegates(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := startXMPP(t, start, testConfig(t))
			conn, rest := component(t, server, "turn.example.org", "s3cret")
			// Both servers begin with disco#info questions about what is delegated
			// (XEP-0355 §4.4), from each host that delegates.
			for _, host := range []string{"meet.example.org", "guest.example.org"} {
				for _, namespace := range []string{"urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1"} {
					for !strings.Contains(rest, host) || !strings.Contains(rest, namespace) {
						rest += exchange(t, conn, "", ">")
					}
				}
			}
			if strings.Contains(rest, "plain.example.org") {
				t.Errorf("a host without DelegateTo delegates: %s", rest)
			}
		})
	}
}

func TestIntegrationLabProsodyHTTP(t *testing.T) {
	cfg := testConfig(t)
	cfg.HTTP = true
	server := startXMPP(t, StartProsody, cfg)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/http-bind", "/xmpp-websocket"} {
		response, err := client.Get("http://" + server.HTTPAddr + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	for _, host := range []string{"meet.example.org", "guest.example.org"} {
		body := "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' wait='5' hold='1' ver='1.6' to='" + host + "'/>"
		response, err := client.Post("http://"+server.HTTPAddr+"/http-bind", "text/xml", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(answer), "<mechanisms") {
			t.Errorf("%s: no session: %s %v", host, answer, err)
		}
	}
	if strings.Contains(server.Log(), "\terror\t") {
		t.Error("prosody logged errors")
	}
}

func TestIntegrationLabCoturnAllocates(t *testing.T) {
	server, ca := startCoturn(t)
	username, password := mint(time.Now().Add(time.Minute), testSecret)
	udp := Allocation{Type: "turn", Host: "127.0.0.1", Port: server.Port, Username: username, Password: password}
	tcp, tls, echo := udp, udp, udp
	tcp.Transport = "tcp"
	tls.Type, tls.Port, tls.RootCAs, tls.ServerName = "turns", server.TLSPort, ca.Pool, "turn.example.org"
	echo.Echo = true
	for name, allocation := range map[string]Allocation{"udp": udp, "tcp": tcp, "tls": tls, "echo": echo} {
		t.Run(name, func(t *testing.T) {
			relayed, rtt, err := allocation.Do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v in %v", relayed, rtt)
		})
	}
	if !strings.Contains(server.Log(), "username=<"+username+">") {
		t.Error("the log does not name the user")
	}
}

func TestIntegrationLabCoturnRefuses(t *testing.T) {
	server, _ := startCoturn(t)
	for name, credential := range map[string]func() (string, string){
		"expired username": func() (string, string) { return mint(time.Now().Add(-time.Minute), testSecret) },
		"wrong password": func() (string, string) {
			username, _ := mint(time.Now().Add(time.Minute), testSecret)
			return username, "wrong"
		},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(name+" over "+transport, func(t *testing.T) {
				allocation := Allocation{Type: "turn", Transport: transport, Host: "127.0.0.1", Port: server.Port}
				allocation.Username, allocation.Password = credential()
				_, _, err := allocation.Do(t.Context())
				var refused *AllocateError
				if !errors.As(err, &refused) || refused.Code != 401 || refused.Op != "allocate" {
					t.Errorf("got %v, want 401", err)
				}
			})
		}
	}
}

func TestIntegrationLabCoturnRestartsOnSamePorts(t *testing.T) {
	server, _ := startCoturn(t)
	for end, stop := range map[string]func() error{"stop": server.Stop, "kill": server.Kill} {
		began := time.Now()
		if err := errors.Join(stop(), stop()); err != nil {
			t.Fatalf("%s: %v", end, err)
		}
		ended := time.Now()
		if _, _, err := (Allocation{Type: "turn", Host: "127.0.0.1", Port: server.Port}).Do(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after %s: got %v, want connection refused", end, err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatalf("after %s: %v", end, err)
		}
		t.Logf("%s %v, start again %v", end, ended.Sub(began).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond))
	}
}

func TestIntegrationLabCoturnStaticUser(t *testing.T) {
	server, err := StartCoturn(t.Context(), CoturnConfig{Dir: t.TempDir(), Users: map[string]string{"carol": "static"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	allocation := Allocation{Type: "turn", Host: "127.0.0.1", Port: server.Port, Username: "carol", Password: "static"}
	if _, _, err := allocation.Do(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, server.Log())
	}
}

func TestIntegrationLabAllocateTimesOut(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	allocation := Allocation{Type: "turn", Host: "127.0.0.1", Port: silent.LocalAddr().(*net.UDPAddr).Port}
	if _, _, err := allocation.Do(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

// TestIntegrationLabServersDieWithOwner runs this test binary a second time, as
// an owner that starts a server and is killed before it can stop it.
func TestIntegrationLabServersDieWithOwner(t *testing.T) {
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerDir+"="+t.TempDir())
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	_, scanErr := fmt.Fscan(output, &port)
	owner.Process.Kill()
	owner.Wait()
	if scanErr != nil {
		t.Fatal(scanErr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for accepts(loopback(port))(ctx) == nil {
		<-tick.C
	}
	if ctx.Err() != nil {
		t.Error("the server outlives its owner")
	}
}

// ownerDir is the environment variable that makes the test binary an owner.
const ownerDir = "LAB_TEST_OWNER_DIR"

func ownServer(dir string) {
	server, err := StartCoturn(context.Background(), CoturnConfig{Dir: dir, Secrets: []string{testSecret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Port)
	select {} // until killed
}

func TestIntegrationLabFreePortIsDistinct(t *testing.T) {
	seen := make(map[int]bool)
	for range 100 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Errorf("%d twice", port)
		}
		seen[port] = true
	}
}

func startCoturn(t *testing.T) (*Coturn, *CA) {
	t.Helper()
	ca, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	server, err := StartCoturn(t.Context(), CoturnConfig{
		Dir: t.TempDir(), Secrets: []string{testSecret, "second"}, CA: ca, CertNames: []string{"turn.example.org"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	return server, ca
}

// mint makes a TURN REST credential, independently of the product's own code.
func mint(expires time.Time, secret string) (username, password string) {
	username = fmt.Sprintf("%d:lab", expires.Unix())
	mac := hmac.New(sha1.New, []byte(secret))
	io.WriteString(mac, username)
	return username, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

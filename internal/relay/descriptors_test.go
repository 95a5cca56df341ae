package relay

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fewDescriptors makes the test binary a relay that may open few files.
const fewDescriptors = "RELAY_TEST_FEW_DESCRIPTORS"

// serveWithFewDescriptors is that relay. It says where it listens, and ends with its
// standard input.
func serveWithFewDescriptors() {
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	cfg := Config{Host: "relay.example.org", Listen: []string{"127.0.0.1:0"}, FirstPort: 20000, LastPort: 29999,
		Secrets: Fixed([]byte(testSecret)), Limits: DefaultLimits(), Log: newTestLog(&logBuffer{})}
	cfg.PublicIP = []PublicIP{{Public: addrOf(net.IPv4(127, 0, 0, 1))}}
	r, err := New(cfg)
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		panic(err)
	}
	for _, l := range r.Snapshot().Listening {
		fmt.Println(l.Transport, l.Addr)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	_ = r.Close(0)
}

// 1: a connection that cannot be accepted ends the listener for good.
func TestAcceptsAgainAfterAFloodOfConnections(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fewDescriptors+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	at := map[string]string{}
	for lines := bufio.NewScanner(stdout); len(at) < 2 && lines.Scan(); {
		transport, addr, _ := strings.Cut(lines.Text(), " ")
		at[transport] = addr
	}
	answers := func(network string) bool {
		conn, err := net.Dial(network+"4", at[network])
		if err != nil {
			return false
		}
		defer conn.Close()
		c := &rawClient{t: t, conn: conn}
		c.send(c.build(7 /* not known */).Raw) // nothing: the next one is answered
		request := c.build(1)
		c.send(request.Raw)
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := conn.Read(make([]byte, 100))
		return err == nil && n > 0
	}
	if !answers("tcp") || !answers("udp") {
		t.Fatal("the relay does not answer before the flood")
	}
	var flood []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp4", at["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, conn)
	}
	if answers("tcp") {
		t.Error("the relay has more descriptors than the test believes")
	}
	if !answers("udp") {
		t.Error("clients over UDP are not served under the flood")
	}
	for _, conn := range flood {
		_ = conn.Close()
	}
	waitFor(t, "an answer over TCP after the flood", func() bool { return answers("tcp") })
}

//go:build integration

package lab

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// exchange writes text and reads until the answer contains want.
func exchange(t *testing.T, conn net.Conn, text, want string) string {
	t.Helper()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	var answer strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(answer.String(), want) {
		n, err := conn.Read(buffer)
		answer.Write(buffer[:n])
		if err != nil {
			t.Fatalf("no %s in %q: %v", want, answer.String(), err)
		}
	}
	return answer.String()
}

func header(to, namespace string) string {
	return "<stream:stream xmlns='" + namespace + "' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + to + "'>"
}

func expectStream(t *testing.T, address string) {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	exchange(t, conn, header("meet.example.org", "jabber:client"), "</stream:features>")
}

func expectLogin(t *testing.T, address, host, mechanism, data string) {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	features := exchange(t, conn, header(host, "jabber:client"), "</stream:features>")
	if !strings.Contains(features, ">"+mechanism+"<") {
		t.Errorf("%s: no %s in %s", host, mechanism, features)
	}
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + mechanism + "'>" + data + "</auth>"
	exchange(t, conn, auth, "<success")
}

// component logs a component in (XEP-0114 §3). It also returns what came with
// the answer to the handshake.
func component(t *testing.T, server *XMPPServer, jid, secret string) (net.Conn, string) {
	t.Helper()
	conn := dial(t, server.ComponentAddr)
	answer := exchange(t, conn, header(jid, "jabber:component:accept"), " id=")
	_, after, _ := strings.Cut(answer, " id=")
	id, _, _ := strings.Cut(after[1:], after[:1])
	return conn, exchange(t, conn, fmt.Sprintf("<handshake>%x</handshake>", sha1.Sum([]byte(id+secret))), "<handshake")
}

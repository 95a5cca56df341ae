package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports are taken from below the range that the kernel hands out to outgoing
// connections (32768 and up on Linux): a server must find its port still free
// when it is restarted.
const (
	firstRelayPort = 10000
	firstPort      = 20000
	endPort        = 32000
	relayPorts     = 200
)

// ports remembers what this process has handed out. It counts up from a random
// place, so that test processes that run side by side rarely meet.
var ports = struct {
	sync.Mutex
	next, nextRelay int
}{
	next:      firstPort + rand.IntN(endPort-firstPort),
	nextRelay: firstRelayPort + relayPorts*rand.IntN((firstPort-firstRelayPort)/relayPorts),
}

// FreePort returns a port that is free for TCP and for UDP on 127.0.0.1.
// It does not return the same port twice.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for range endPort - firstPort {
		port := ports.next
		ports.next++
		if ports.next == endPort {
			ports.next = firstPort
		}
		if isFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("lab: no free port on 127.0.0.1")
}

// freePorts is [FreePort] for n ports at once.
func freePorts(n int) ([]int, error) {
	list := make([]int, n)
	for i := range list {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		list[i] = port
	}
	return list, nil
}

// relayRange returns the first and last of relayPorts ports for a TURN server
// to relay on. The ports are not probed: a TURN server passes over the ones
// that are in use.
func relayRange() (first, last int) {
	ports.Lock()
	defer ports.Unlock()
	first = ports.nextRelay
	ports.nextRelay += relayPorts
	if ports.nextRelay >= firstPort {
		ports.nextRelay = firstRelayPort
	}
	return first, first + relayPorts - 1
}

func isFree(port int) bool {
	tcp, err := net.Listen("tcp4", loopback(port))
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", loopback(port))
	if err != nil {
		return false
	}
	udp.Close()
	return true
}

func loopback(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}

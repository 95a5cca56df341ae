package lab

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strconv"
)

// Epmd is Erlang's port mapper, by which the nodes of a cluster find each other. It is one
// of our own, on a free port of 127.0.0.1.
type Epmd struct {
	port   int
	cookie string // by which the nodes know each other
	daemon
}

// StartEpmd starts a port mapper that logs to dir.
func StartEpmd(ctx context.Context, dir string) (*Epmd, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	e := &Epmd{port: port, cookie: rand.Text()}
	e.name = "epmd"
	e.argv = []string{"epmd", "-port", strconv.Itoa(port), "-address", "127.0.0.1"}
	e.dir = dir
	e.logs = []string{filepath.Join(dir, "epmd.log")}
	e.ready = append(e.ready, accepts(loopback(port)))
	if err := e.Start(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// nodeArgs makes erl a node with distribution; without a port mapper there is none.
func (e *Epmd) nodeArgs(name string) []string {
	if e == nil {
		return nil
	}
	return []string{"-name", name, "-setcookie", e.cookie, "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"}
}

func (e *Epmd) nodeEnv() []string {
	if e == nil {
		return nil
	}
	return []string{"ERL_EPMD_PORT=" + strconv.Itoa(e.port), "ERL_EPMD_ADDRESS=127.0.0.1"}
}

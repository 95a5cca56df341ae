// Command yardstick is what extdisco is measured against: programs that do less,
// and so show what the rest costs.
//
//	yardstick echo ADDRESS                               sends back what it reads
//	yardstick minimal ADDRESS JID SECRET SHARED SERVICES answers XEP-0215, and no more
//
// They are for a benchmark on loopback only. Neither may face a real server: they
// believe everybody, check nothing and have no limits.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "yardstick:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "echo":
		return dial(args[1], echo)
	case len(args) == 6 && args[0] == "minimal":
		services, err := strconv.Atoi(args[5])
		if err != nil {
			return err
		}
		return dial(args[1], func(conn net.Conn) error {
			return newMinimal(args[2], args[4], services).serve(conn, args[3])
		})
	}
	return fmt.Errorf("wrong usage: %q", args)
}

func dial(address string, serve func(net.Conn) error) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return serve(conn)
}

// echo is the floor: what reading and writing costs on this machine.
func echo(conn net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return err
		}
	}
}

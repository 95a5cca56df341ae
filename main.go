// Command extdisco gives the users of an XMPP server STUN and TURN addresses with
// credentials of their own that expire (XEP-0215). It connects to the server as a
// component (XEP-0114) and keeps the TURN shared secret to itself.
package main

import (
	_ "embed"
	"os"

	"extdisco/internal/command"
)

// Set by the linker: -ldflags "-X main.version=1.2.3".
var (
	version      string
	systemConfig = "/etc/extdisco/config.toml"
)

//go:embed config.toml.example
var configExample string

func main() {
	program := command.Program{Version: version, SystemConfig: systemConfig, ServiceUser: "extdisco", ConfigExample: configExample}
	os.Exit(program.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

package component

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"mellium.im/xmpp/stream"
)

// fault is why there is no link, in the words of the administrator who has to
// mend it.
type fault struct {
	problem string
	cure    string
	refused bool // the server does not want us as we are
	closed  bool // nothing listens at its address, as while it is being restarted
}

const (
	cureAddress = "check component.server, and that the XMPP server accepts components there" +
		" (Prosody: component_ports and component_interfaces; ejabberd: a listener with module: ejabberd_service)"
	curePort = "check component.server: this is not a port for components" +
		" (often 5347; 5222 is for clients and 5269 for other servers)"
)

// diagnose turns an error of the link into a fault.
func (c *Component) diagnose(err error) fault {
	var streamErr stream.Error
	var handshakeErr *handshakeError
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &streamErr):
		return c.diagnoseStreamError(streamErr, errors.As(err, &handshakeErr))
	case errors.As(err, &handshakeErr):
		return diagnoseHandshake(handshakeErr)
	case errors.As(err, &dnsErr):
		return fault{problem: "the name of the XMPP server cannot be resolved", cure: "check the host name in component.server, and the resolver of this machine"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault{closed: true, problem: "nothing accepts connections at the address of the XMPP server", cure: "start the XMPP server; if it runs, " + cureAddress}
	case errors.Is(err, errServerClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fault{problem: "the XMPP server closed the connection", cure: "nothing, if it is being restarted; otherwise see its log"}
	case errors.Is(err, errDelegationLost):
		return fault{problem: "the XMPP server has stopped forwarding requests", cure: "nothing; to connect again makes ejabberd forward again"}
	case errors.Is(err, errSilent):
		return fault{problem: "the XMPP server fell silent", cure: "check that it is alive and the network between"}
	case errors.Is(err, errDTD), errors.Is(err, errEndless):
		return fault{problem: "the XMPP server sent something that is not XMPP", cure: "see its log"}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fault{problem: "the XMPP server does not respond", cure: "check that it is alive, and firewalls between; " + cureAddress}
	}
	return fault{problem: "there is no connection to the XMPP server", cure: cureAddress}
}

func diagnoseHandshake(err *handshakeError) fault {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !err.received:
		return fault{problem: "the XMPP server took the connection and said nothing", cure: "check that it is alive; if it is, " + curePort}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault{problem: "the XMPP server did not finish the handshake in time", cure: "see its log"}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || isSyntaxEOF(err):
		return fault{problem: "the connection was closed during the handshake", cure: "if the XMPP server is being started, nothing; otherwise " + curePort, refused: err.received}
	}
	return fault{problem: "what answers is not an XMPP server that accepts components", cure: curePort, refused: true}
}

// isSyntaxEOF recognises how encoding/xml reports the end of its input.
func isSyntaxEOF(err error) bool { return strings.Contains(err.Error(), "unexpected EOF") }

func (c *Component) diagnoseStreamError(err stream.Error, inHandshake bool) fault {
	said := err.Err
	if len(err.Text) > 0 && err.Text[0].Value != "" {
		said = fmt.Sprintf("%s (%.200q)", err.Err, err.Text[0].Value)
	}
	jid := c.cfg.JID
	switch err.Err {
	case "not-authorized":
		return fault{refused: true, problem: "the XMPP server refused the handshake secret of " + jid + ": " + said,
			cure: "make component.secret (or the file in component.secret_file) the same as in the XMPP server's configuration" +
				" (Prosody: component_secret below Component \"" + jid + "\"; ejabberd: password below hosts: \"" + jid + "\"," +
				" where this also means that the host is missing)"}
	case "host-unknown":
		return fault{refused: true, problem: "the XMPP server knows no component " + jid + ": " + said,
			cure: "add it to the server's configuration and reload the server (Prosody: Component \"" + jid + "\"), or correct component.jid"}
	case "conflict":
		return fault{refused: true, problem: "another connection for " + jid + " exists: " + said,
			cure: "stop the other extdisco with this component.jid; if there is none, it is an old connection that the server has not given up yet" +
				" (Prosody: set component_conflict_resolve = \"kick_old\"; ejabberd: the name is taken by a host of the server itself)"}
	case "system-shutdown", "reset":
		return fault{problem: "the XMPP server is shutting down", cure: "nothing, if it is being restarted"}
	case "invalid-namespace", "unsupported-version", "not-well-formed", "bad-format":
		if inHandshake {
			return fault{refused: true, problem: "the XMPP server did not understand us: " + said, cure: curePort}
		}
	}
	return fault{refused: inHandshake, problem: "the XMPP server ended the stream: " + said, cure: "see its log"}
}

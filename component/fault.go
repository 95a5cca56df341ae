package component

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"mellium.im/xmpp/stream"
)

// fault is why there is no link, in words for the administrator who has to fix it.
type fault struct {
	problem  string
	cure     string
	refused  bool // the server does not want us as we are
	closed   bool // nothing listens at its address, as while it restarts
	soon     bool // the server needs us to reconnect
	standby  bool // another connection for our address is there, and we wait for it to end
	replaced bool // by that connection, just now
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
	isHandshake := errors.As(err, &handshakeErr)
	switch {
	case errors.As(err, &streamErr) && isHandshake:
		return c.diagnoseRefusal(streamErr, handshakeErr.contentNS)
	case errors.As(err, &streamErr):
		return c.diagnoseStreamError(streamErr)
	case isHandshake:
		return c.diagnoseHandshake(handshakeErr)
	case errors.As(err, &dnsErr):
		return fault{problem: "the name of the XMPP server cannot be resolved", cure: "check the host name in component.server, and this machine's resolver"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault{closed: true, problem: "nothing accepts connections at the address of the XMPP server", cure: "start the XMPP server; if it is running, " + cureAddress}
	case errors.Is(err, errDelegationLost):
		return fault{soon: true, problem: "the XMPP server has stopped forwarding requests", cure: "nothing; reconnecting makes ejabberd forward again"}
	case errors.Is(err, errServerClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fault{problem: "the XMPP server closed the connection", cure: "nothing, if it is restarting; otherwise see its log"}
	case errors.Is(err, errSilent):
		return fault{problem: "the XMPP server fell silent", cure: "check that it is alive, and the network between"}
	case errors.Is(err, errNotRead), errors.Is(err, errUnanswered), isUnread(err):
		return fault{problem: "the XMPP server does not read what it is sent", cure: "check that it is alive, its load, and the network between"}
	case errors.Is(err, errDTD), errors.Is(err, errEndless):
		return fault{problem: "the XMPP server sent something that is not XMPP", cure: "see its log"}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fault{problem: "the XMPP server does not respond", cure: "check that it is alive, and any firewall between; " + cureAddress}
	}
	return fault{problem: "there is no connection to the XMPP server", cure: cureAddress}
}

// isUnread recognises how the system ends a connection whose other side takes
// nothing; see boundUnread.
func isUnread(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ETIMEDOUT) && errors.As(err, &op) && op.Op != "dial"
}

// diagnoseHandshake is for a handshake that failed without a stream error.
func (c *Component) diagnoseHandshake(err *handshakeError) fault {
	timedOut := errors.Is(err, os.ErrDeadlineExceeded)
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || isSyntaxEOF(err)
	switch {
	case timedOut && !err.received:
		return fault{problem: "the XMPP server accepted the connection and said nothing", cure: "check that it is alive; if it is, " + curePort}
	case err.contentNS == nsClient || err.contentNS == nsServer:
		return wrongPort(err.contentNS)
	case timedOut:
		return fault{problem: "the XMPP server did not finish the handshake in time", cure: "see its log"}
	case closed && err.contentNS != "":
		return fault{refused: true, problem: "the XMPP server closed the connection after our handshake, without giving a reason",
			cure: "most likely the handshake secret is wrong: " + c.cureSecret() + "; if it is right, see the server's log"}
	case closed:
		return fault{problem: "the connection was closed during the handshake", cure: "if the XMPP server is starting, nothing; otherwise " + curePort, refused: err.received}
	}
	return fault{problem: "what answers is not an XMPP server that accepts components", cure: curePort, refused: true}
}

// isSyntaxEOF recognises how encoding/xml reports the end of its input.
func isSyntaxEOF(err error) bool { return strings.Contains(err.Error(), "unexpected EOF") }

// wrongPort is for a server that opens a stream for clients or for other servers.
func wrongPort(contentNS string) fault {
	f := fault{refused: true, problem: "this port of the XMPP server is a port for clients", cure: curePort}
	if contentNS == nsServer {
		f.problem = "this port of the XMPP server is a port for other servers"
	}
	return f
}

func (c *Component) cureSecret() string {
	return "make component.secret (or the file in component.secret_file) the same as in the XMPP server's configuration" +
		" (Prosody: component_secret below Component \"" + c.cfg.JID + "\"; ejabberd: password below hosts: \"" + c.cfg.JID + "\")"
}

// diagnoseRefusal is for a stream error in the handshake, on a stream of the content
// namespace that the server chose.
func (c *Component) diagnoseRefusal(err stream.Error, contentNS string) fault {
	jid, reason := c.cfg.JID, reasonOf(err)
	switch {
	case err.Err == "not-authorized":
		return fault{refused: true, problem: "the XMPP server refused the handshake secret of " + jid + ": " + reason,
			cure: c.cureSecret() + "; ejabberd says the same when hosts does not list " + jid}
	case err.Err == "conflict" && strings.Contains(reason, "existing local domain"):
		return fault{refused: true, problem: jid + " is a host of the XMPP server itself: " + reason,
			cure: "give the component an address of its own, in component.jid and in the server's configuration (ejabberd: it stands under hosts)"}
	case err.Err == "conflict":
		return c.standingBy(reason)
	case contentNS == nsServer, err.Err == "unsupported-stanza-type":
		return withReason(wrongPort(nsServer), reason)
	case contentNS == nsClient, strings.Contains(reason, "This server does not serve"):
		return withReason(wrongPort(nsClient), reason)
	case err.Err == "host-unknown":
		return fault{refused: true, problem: "the XMPP server knows no component " + jid + ": " + reason,
			cure: "add it to the server's configuration and restart the server (Prosody: a block Component \"" + jid + "\" with component_secret," +
				" and no name of a module behind it), or correct component.jid"}
	case slices.Contains([]string{"invalid-namespace", "unsupported-version", "not-well-formed", "bad-format"}, err.Err):
		return fault{refused: true, problem: "the XMPP server did not understand us: " + reason, cure: curePort}
	}
	f := c.diagnoseStreamError(err)
	f.refused = !slices.Contains([]string{"system-shutdown", "reset"}, err.Err)
	return f
}

func withReason(f fault, reason string) fault {
	f.problem += ": " + reason
	return f
}

// diagnoseStreamError is for a stream error after the handshake.
func (c *Component) diagnoseStreamError(err stream.Error) fault {
	switch err.Err {
	case "conflict":
		f := c.standingBy(reasonOf(err))
		f.replaced = true
		return f
	case "system-shutdown", "reset":
		return fault{problem: "the XMPP server is shutting down", cure: "nothing, if it is restarting"}
	}
	return fault{problem: "the XMPP server ended the stream: " + reasonOf(err), cure: "see its log"}
}

// standingBy is for a server that has another connection for our address and wants one.
func (c *Component) standingBy(reason string) fault {
	return fault{standby: true, problem: "standing by: another connection for " + c.cfg.JID + " exists: " + reason,
		cure: "nothing, if another extdisco with this component.jid is meant to be connected, otherwise stop that one; if there is none," +
			" it is an old connection that the server has not given up yet (Prosody: set component_conflict_resolve = \"kick_old\")"}
}

// reasonOf returns what the server said, cut to a length for a log.
func reasonOf(err stream.Error) string {
	if len(err.Text) > 0 && err.Text[0].Value != "" {
		return fmt.Sprintf("%s (%.200q)", err.Err, err.Text[0].Value)
	}
	return err.Err
}

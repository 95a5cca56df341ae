// Package lab starts real XMPP and TURN servers on loopback, for integration
// tests and for the demo.
//
// Prosody, ejabberd and coturn must be installed (the Debian packages prosody,
// prosody-modules, ejabberd and coturn); everything they write goes to one
// folder given by the caller, and they listen on free ports of 127.0.0.1 only.
// Nothing of the system's own configuration is read.
//
// [StartChromium] starts a browser for pages that use them (the Debian package
// chromium). It is driven over a pipe; there is no port that others could use.
//
// A server is started by [StartProsody], [StartEjabberd] or [StartCoturn], which
// return when it answers. Its owner must call Stop. Should the owner's process
// die first, the kernel kills the servers with it.
package lab

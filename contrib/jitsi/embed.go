// Package jitsi holds the overlay for docker-jitsi-meet, for "extdisco setup" to install.
package jitsi

import _ "embed"

// Overlay is extdisco.yml, a file for docker compose.
//
//go:embed extdisco.yml
var Overlay []byte

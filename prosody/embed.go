// Package prosody holds the module that runs inside Prosody, for "extdisco setup" to
// install.
package prosody

import "embed"

// Module is the folder mod_extdisco_bridge.
//
//go:embed mod_extdisco_bridge
var Module embed.FS

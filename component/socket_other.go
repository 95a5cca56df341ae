//go:build !linux

package component

import "syscall"

// boundUnread leaves it to the deadline of a write that blocks.
func boundUnread(string, string, syscall.RawConn) error { return nil }

//go:build !linux

package notify

// monotonicMicroseconds returns 0: there is no systemd here.
func monotonicMicroseconds() int64 { return 0 }

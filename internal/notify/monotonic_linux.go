package notify

import "golang.org/x/sys/unix"

// monotonicMicroseconds reads the clock that systemd compares with. Go's own
// monotonic clock starts when the process does.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano() / 1000
}

package notify

// MonotonicMicroseconds is for tests.
var MonotonicMicroseconds = monotonicMicroseconds

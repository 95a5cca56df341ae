package probe

import (
	"fmt"
	"time"
)

// FormatRoundTrip returns how long something took, in milliseconds.
func FormatRoundTrip(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

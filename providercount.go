package main

import "time"

// isGood reports whether the set is given out at now, while it lives for rest
// longer.
func (s *providerSet) isGood(now time.Time, rest time.Duration) bool {
	return s != nil && !now.After(s.Until(rest))
}

package turncred

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The Unix times, in seconds, that a username may plausibly state: the form is
// from 2013, and nobody mints for the next century. A number outside of them,
// such as 1234567890 or a telephone number, is a name.
const (
	earliestStated = 1262304000 // 2010-01-01
	latestStated   = 4102444800 // 2100-01-01
)

// statedTime is a number as programs print a time: whole, with a fraction, or
// with an exponent.
var statedTime = regexp.MustCompile(`^[0-9]{1,20}(\.[0-9]*)?([eE]\+?[0-9]{1,2})?$`)

// ExpiryOf returns when a time-limited credential ends, as its username says:
// "<time>:<user>" (draft-uberti-behave-turn-rest-00 §2.2), "<user>:<time>", which
// coturn takes too, or the time alone. The time is in seconds, or in milliseconds
// if it would be beyond the year 2100 otherwise; a fraction is cut off. It reports
// false for a username that states no plausible time.
func ExpiryOf(username string) (time.Time, bool) {
	for _, part := range strings.Split(username, ":") {
		if t, ok := plausibleTime(part); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

func plausibleTime(text string) (time.Time, bool) {
	if text = strings.TrimSpace(text); !statedTime.MatchString(text) {
		return time.Time{}, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, false
	}
	n = UnixSeconds(n)
	if n < earliestStated || n > latestStated {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}

// UnixSeconds returns a Unix time in whole seconds that is given in seconds,
// milliseconds, microseconds or nanoseconds. What would be beyond the year 2100
// is taken for the next finer unit, if that is after 2001.
func UnixSeconds(n float64) float64 {
	const billion = 1e9 // seconds: in 2001
	for n > latestStated && n/1000 >= billion {
		n /= 1000
	}
	return math.Trunc(n)
}

package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"extdisco/turncred"
)

// life gathers what an answer, or an entry of it, states about its end. The
// earliest statement counts.
type life struct {
	now    time.Time     // when it was asked for
	asked  time.Duration // the lifetime that was asked for, or 0
	until  time.Time     // the earliest instant; zero when none is stated
	ttl    time.Duration // the shortest lifetime; 0 when none is stated
	unread []string      // members that state an end in a form that is not understood
	millis []string      // members that were taken for milliseconds
}

// blank returns a life of the same request without statements.
func (l *life) blank() life { return life{now: l.now, asked: l.asked} }

// end returns when it ends, or zero when that is not stated.
func (l *life) end() time.Time {
	end := l.until
	if l.ttl > 0 {
		end = earlier(end, l.now.Add(l.ttl))
	}
	return end
}

// earlier returns the earlier of two instants, of which either may be missing.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// fault is the error for statements that are not understood, where nothing else
// says when the credentials end.
func (l *life) fault() error {
	return fmt.Errorf("the answer states when the credentials expire in a form that is not understood (%s); set expires_pointer or ttl_pointer to another member",
		distinct(l.unread))
}

// distinct joins names, each once.
func distinct(names []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", ")
}

// read takes what an object states about its end.
func (l *life) read(object map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if states, unit := statesEnd(key); states {
			l.take(key, object[key], unit)
		}
	}
}

// take reads the value of one member.
func (l *life) take(key string, value any, unit time.Duration) {
	switch v := value.(type) {
	case nil:
		return
	case bool:
		if v && strings.Contains(fold(key), "expired") {
			l.until = time.Unix(0, 0)
			return
		}
		if !v {
			return // it does not expire, or has not: nothing is stated
		}
	case string:
		if slices.Contains([]string{"", "never", "none", "null", "unlimited", "infinite"}, strings.ToLower(strings.TrimSpace(v))) {
			return
		}
	}
	if t, ok := l.instant(value, isLifetime(key)); ok {
		l.until = earlier(l.until, t)
		return
	}
	ttl, isMillis, ok := lifetime(value, unit, l.asked)
	if !ok {
		l.unread = append(l.unread, clip(key, 40))
		return
	}
	if isMillis {
		l.millis = append(l.millis, clip(key, 40))
	}
	l.ttl = shorter(l.ttl, ttl)
}

// fold returns a name without regard to case, underscores and dashes.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, name)
}

// Names of members that state an end, folded, beside those that hold "expir".
var endNames = regexp.MustCompile(`^(ttl.*|.*ttl|exp|expat|expire.*|(not|good|valid|live)(after|until|till|to|through|thru|for)|until|ends?(at|on|time|date)|lifetime.*|timetolive|maxage|validity.*|leasetime)$`)

// Units that a name can end with.
var nameUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"milliseconds", time.Millisecond}, {"millis", time.Millisecond}, {"msec", time.Millisecond}, {"msecs", time.Millisecond}, {"ms", time.Millisecond},
	{"minutes", time.Minute}, {"mins", time.Minute}, {"hours", time.Hour}, {"days", 24 * time.Hour},
}

// statesEnd reports whether a name says that the value states an end, and in which
// unit; 0 when it names none that is not seconds.
func statesEnd(name string) (bool, time.Duration) {
	name = fold(name)
	var unit time.Duration
	for _, u := range nameUnits {
		if strings.HasSuffix(name, u.suffix) {
			unit = u.unit
			break
		}
	}
	return strings.Contains(name, "expir") || endNames.MatchString(name), unit
}

// isLifetime reports whether a name is that of a lifetime and not of an instant.
func isLifetime(name string) bool {
	name = fold(name)
	return !strings.Contains(name, "expir") && (strings.Contains(name, "ttl") || strings.Contains(name, "life") || strings.HasSuffix(name, "for") || name == "maxage") ||
		strings.Contains(name, "expiresin") || strings.Contains(name, "expiryin") || strings.Contains(name, "expirein")
}

// number returns a number, also one that is written as a text or wrapped in an
// object, as Protobuf and document databases do.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return n, err == nil
	case map[string]any:
		for _, name := range []string{"seconds", "_seconds", "$numberLong"} {
			if n, ok := number(v[name]); ok {
				return n, true
			}
		}
	}
	return 0, false
}

const (
	firstInstant = 1e9  // seconds, in 2001: what is less is a lifetime
	enormous     = 1e19 // beyond nanoseconds of any instant
)

// instant reads an instant: a date in one of the usual forms, or Unix time in
// seconds or finer. Where a lifetime is expected, a number counts as an instant
// only if it is one of these years.
func (l *life) instant(value any, wantLifetime bool) (time.Time, bool) {
	switch v := value.(type) {
	case string:
		if t, ok := date(v); ok {
			return t, true
		}
	case map[string]any:
		if inner := v["$date"]; inner != nil {
			return l.instant(inner, false)
		}
	}
	n, ok := number(value)
	if !ok || !(n >= firstInstant) || n > enormous {
		return time.Time{}, false
	}
	n = turncred.UnixSeconds(n)
	const year = 366 * 24 * 3600
	if now := float64(l.now.Unix()); wantLifetime && (n < now-year || n > now+10*year) {
		return time.Time{}, false
	}
	return time.Unix(int64(min(n, turncred.MaxExpires)), 0).UTC(), true
}

// layouts of dates. Where a layout has no zone, UTC is meant.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05",
	"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04", "2006-01-02",
	"2006/01/02 15:04:05", "20060102T150405Z0700", "20060102T150405", "20060102150405",
	time.RFC1123, time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05",
	time.RFC850, time.ANSIC, time.UnixDate, time.RubyDate, "Mon Jan 2 2006 15:04:05 GMT-0700", "Jan 2, 2006 15:04:05 MST",
}

var comment = regexp.MustCompile(`\s*\([^)]*\)$`) // JavaScript's name of the zone

func date(text string) (time.Time, bool) {
	text = comment.ReplaceAllString(strings.TrimSpace(text), "")
	for _, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			t, err = time.Parse(layout, strings.ToUpper(text)) // 2027-01-15t08:00:00z
		}
		if err != nil {
			continue
		}
		// Of most abbreviations Go knows the name and not the offset.
		if zone, offset := t.Zone(); offset == 0 && strings.Contains(layout, "MST") && !slices.Contains([]string{"UTC", "GMT", "Z", ""}, zone) {
			return time.Time{}, false
		}
		return t.UTC(), true
	}
	return time.Time{}, false
}

// words are durations as people write them: "1 day", "60 minutes".
var words = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?)$`)

// iso are durations of ISO 8601 up to days: "PT1H30M".
var iso = regexp.MustCompile(`^p(?:([0-9]+)d)?(?:t(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)(?:\.[0-9]+)?s)?)?$`)

// lifetime reads a lifetime: a number of seconds, or of the unit that the name
// says, or a duration. A number that is too large for seconds is taken for
// milliseconds, which is the shorter reading.
func lifetime(value any, unit, asked time.Duration) (ttl time.Duration, isMillis, ok bool) {
	n, isNumber := number(value)
	if !isNumber {
		text, _ := value.(string)
		ttl = duration(strings.ToLower(strings.TrimSpace(text)))
		return ttl, false, ttl >= time.Second
	}
	const month = 30 * 24 * time.Hour
	seconds := n * max(unit, 0).Seconds()
	if unit == 0 {
		seconds = n
		longest := max(month, 2*asked).Seconds()
		if isMillis = n > longest || asked > 0 && n >= 500*asked.Seconds(); isMillis {
			seconds = n / 1000
		}
	}
	if !(seconds >= 1) || n > enormous {
		return 0, false, false
	}
	return time.Duration(min(seconds, turncred.MaxExpires)) * time.Second, isMillis, true
}

// duration reads a duration in lower case, or returns 0.
func duration(text string) time.Duration {
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	if m := words.FindStringSubmatch(text); m != nil {
		n, _ := strconv.ParseFloat(m[1], 64)
		unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[m[2][0]]
		if m[2] == "ms" || strings.HasPrefix(m[2], "milli") {
			unit = time.Millisecond
		}
		return time.Duration(min(n*unit.Seconds(), turncred.MaxExpires) * float64(time.Second))
	}
	m := iso.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	total := 0.0
	for i, unit := range []float64{24 * 3600, 3600, 60, 1} {
		n, _ := strconv.ParseFloat("0"+m[i+1], 64)
		total += n * unit
	}
	return time.Duration(min(total, turncred.MaxExpires)) * time.Second
}

// typeName says what a JSON value is.
func typeName(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64, json.Number:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}

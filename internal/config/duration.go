package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// FormatDuration returns a duration as people write it: 24h, not 24h0m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// duration returns a positive duration of whole seconds, or missing.
func (t *table) duration(name string, missing time.Duration) time.Duration {
	if number, isNumber := t.values[name].(int64); isNumber {
		t.know(name)
		_, err := ParseDuration(strconv.FormatInt(number, 10))
		t.fault(name, "%v", err)
		return missing
	}
	s := t.stringOf(name, `write a duration in quotes, such as "24h"`)
	if s == "" {
		return missing
	}
	d, err := ParseDuration(s)
	if err != nil {
		t.fault(name, "%v", err)
		return missing
	}
	return d
}

// ParseDuration reads a positive duration of whole seconds, such as 24h. The error says
// what to write instead.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch number, unitErr := strconv.ParseInt(s, 10, 64); {
	case unitErr == nil:
		return 0, fmt.Errorf("is a number without a unit; write %s", durationExample(strconv.FormatInt(number, 10)))
	case err != nil:
		return 0, fmt.Errorf("is not a duration; write %s", durationExample(s))
	case d < time.Second:
		return 0, errors.New("is too short; write at least \"1s\"")
	case d%time.Second != 0:
		return 0, errors.New("has a fraction of a second; write whole seconds")
	}
	return d, nil
}

// numberAndUnit is a duration as it is written elsewhere: 86400, 1d, 2 weeks, 30 min.
var numberAndUnit = regexp.MustCompile(`(?i)^\s*(\d{1,8})\s*([a-z]*)\.?\s*$`)

// otherUnits are units that Go does not know, and other spellings of those that it does. A number
// without a unit counts seconds, as in coturn and Prosody.
var otherUnits = map[string]time.Duration{
	"": time.Second, "s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// durationExample returns what to write in place of s, as far as that can be guessed.
func durationExample(s string) string {
	if m := numberAndUnit.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if unit, known := otherUnits[strings.ToLower(m[2])]; known && err == nil && n > 0 && n < 1_000_000 {
			return strconv.Quote(FormatDuration(time.Duration(n) * unit))
		}
	}
	return `for example "24h", "90m" or "3600s"`
}

package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Fault is one thing that is wrong with a configuration, or that a warning is about.
type Fault struct {
	File    string `json:"file"`           // as it was named
	Line    int    `json:"line,omitempty"` // 0 when not known
	Key     string `json:"key,omitempty"`  // with its tables and indexes: ice_server[0].urls[1]
	Message string `json:"message"`        // what is wrong; what to do
}

// Error returns one line. It quotes no value that was not understood: it may be a secret, or part
// of one.
func (f Fault) Error() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, f.Line)
	}
	if f.Key != "" {
		where += ": " + f.Key
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, where+": "+f.Message)
}

// Faults are several, in the order of the file.
type Faults []Fault

// String returns a line for each.
func (f Faults) String() string {
	var lines []string
	for _, fault := range f {
		lines = append(lines, fault.Error())
	}
	return strings.Join(lines, "\n")
}

// Invalid is the error of a configuration that was read and cannot be used.
type Invalid struct {
	Faults   Faults // at least one
	Warnings Faults
}

// Error returns a line for each fault.
func (e *Invalid) Error() string { return e.Faults.String() }

// reader gathers what is wrong while a configuration is read.
type reader struct {
	file     string
	lines    keyLines
	now      time.Time
	faults   Faults
	warnings Faults
	// inlineSecret is set when the file itself holds a secret.
	inlineSecret bool
	account      *Account // in whose name files are read as well; nil for none
	strangers    []stranger
	interfaces   []netip.Prefix // of this machine; nil means that the system is asked
}

func (r *reader) fault(key, format string, args ...any) {
	r.faults = append(r.faults, r.at(key, format, args...))
}

// err returns the faults and warnings in the order of the file, or nil when there is no fault.
func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return &Invalid{Faults: r.faults, Warnings: r.warnings}
}

func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, format, args...))
}

func (r *reader) at(key, format string, args ...any) Fault {
	return Fault{File: r.file, Line: r.lines.line(key), Key: key, Message: fmt.Sprintf(format, args...)}
}

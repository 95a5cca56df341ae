package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally is what a phase counts. It may be used by several goroutines.
type tally struct {
	mu        sync.Mutex
	counts    map[string]int
	longest   map[string]time.Duration
	wrong     int
	first     []string // of the violations
	passwords map[string]bool
}

func newTally() *tally {
	return &tally{counts: map[string]int{}, longest: map[string]time.Duration{}, passwords: map[string]bool{}}
}

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what] += n
}

// took notes how long something took, of which the longest is shown.
func (t *tally) took(what string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.longest[what] = max(t.longest[what], d)
}

// violation notes what must not happen.
func (t *tally) violation(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong++
	if len(t.first) < 10 {
		t.first = append(t.first, fmt.Sprintf(format, args...))
	}
}

func (t *tally) violations() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}

// minted keeps a password that was given out, to look for it elsewhere.
func (t *tally) minted(passwords ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range passwords {
		t.passwords[p] = true
	}
}

func (t *tally) summary() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Fprintf(&b, "  %8d  %s\n", t.counts[what], what)
	}
	for _, what := range slices.Sorted(maps.Keys(t.longest)) {
		fmt.Fprintf(&b, "  %8v  at most %s\n", t.longest[what].Round(time.Millisecond), what)
	}
	fmt.Fprintf(&b, "  %8d  violations\n", t.wrong)
	for _, v := range t.first {
		fmt.Fprintf(&b, "    %s\n", v)
	}
	return b.String()
}

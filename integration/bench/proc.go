package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns what a process has used of processors since it began. It is
// the sum over its threads, which the kernel counts in nanoseconds; /proc/PID/stat
// knows hundredths of seconds only.
func cpuTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d is not there", pid)
	}
	var sum time.Duration
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		onCPU, _, _ := strings.Cut(string(content), " ")
		ns, err := strconv.ParseInt(onCPU, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// resident returns how much memory a process has in use, in bytes, and how much of
// that is its own: the rest is pages of the program file, which are in memory once
// however often it runs, and which the kernel can drop.
func resident(pid int) (all, own int64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		field := map[string]*int64{"VmRSS": &all, "RssAnon": &own}[name]
		if field == nil {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("process %d: %w", pid, err)
		}
		*field = kb << 10
	}
	return all, own, nil
}

// leaveFirstProcessor keeps this process off the first processor, which belongs
// to what is measured, until restore is called. With one processor there is no
// choice.
func leaveFirstProcessor() (restore func() error, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, err
	}
	rest := all
	rest.Clear(0)
	if rest.Count() == 0 {
		rest = all
	}
	return func() error { return setAffinity(&all) }, setAffinity(&rest)
}

// setAffinity is for all threads; new ones inherit it.
func setAffinity(set *unix.CPUSet) error {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, set); err != nil {
			return err
		}
	}
	return nil
}

// noise watches what else goes on: the same work, done again and again, takes
// the same time on a quiet machine.
type noise struct{ millis []float64 }

func (n *noise) sample() {
	start := time.Now()
	sum := [32]byte{}
	for range 20_000 {
		sum = sha256.Sum256(sum[:])
	}
	n.millis = append(n.millis, float64(time.Since(start).Nanoseconds())/1e6)
}

func (n *noise) String() string {
	lowest, highest := n.millis[0], n.millis[0]
	for _, m := range n.millis {
		lowest, highest = min(lowest, m), max(highest, m)
	}
	return fmt.Sprintf("The same piece of work, timed between the rounds, took %.1f to %.1f ms, median %.1f.", lowest, highest, median(n.millis))
}

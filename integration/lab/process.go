package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute           // until a server must answer
	stopTimeout  = 15 * time.Second      // between SIGTERM and SIGKILL
	pollInterval = 20 * time.Millisecond // between two questions whether it answers yet
	tailLines    = 40                    // of the log, in the error of a failed start
)

// daemon is one server process that can be started again and again from the
// same files on the same ports.
type daemon struct {
	name string
	argv []string
	dir  string   // working folder
	env  []string // whole environment, besides PATH
	logs []string // what Log reads; the first also gets standard output and error

	// inherit are files that the process gets as descriptors 3, 4…; usually none.
	inherit []*os.File

	before func() error                      // run ahead of each start; may be nil
	ready  []func(ctx context.Context) error // all nil errors: the server answers

	mu      sync.Mutex // serialises Start, Stop and Kill
	running sync.Mutex // guards the two below
	process *os.Process
	ended   chan struct{} // closed when process has been waited for
}

// Start starts the server, again if it was stopped, and returns when it answers
// on its ports. The context bounds the start only; the server lives until Stop.
func (d *daemon) Start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.alive() {
		return fmt.Errorf("lab: %s is already running", d.name)
	}
	if d.before != nil {
		if err := d.before(); err != nil {
			return fmt.Errorf("lab: %s: %w", d.name, err)
		}
	}
	if err := d.spawn(); err != nil {
		return fmt.Errorf("lab: %s: %w", d.name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no answer within "+startTimeout.String()))
	defer cancel()
	if err := d.waitReady(ctx); err != nil {
		d.signal(syscall.SIGKILL)
		<-d.ended
		return fmt.Errorf("lab: %s did not start: %w\n%s", d.name, err, tail(d.Log()))
	}
	return nil
}

// Stop ends the server with SIGTERM and waits for it, at worst after a SIGKILL,
// which is an error. It is no error to stop a server that is not running.
func (d *daemon) Stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.alive() {
		return nil
	}
	d.signal(syscall.SIGTERM)
	d.signal(syscall.SIGCONT) // a stopped process would never see the other one
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-d.ended:
		return nil
	case <-timeout.C:
	}
	d.signal(syscall.SIGKILL)
	<-d.ended
	return fmt.Errorf("lab: %s did not end within %v and was killed", d.name, stopTimeout)
}

// Kill ends the server with SIGKILL, as a crash would, and waits for it.
func (d *daemon) Kill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.alive() {
		return nil
	}
	d.signal(syscall.SIGKILL)
	<-d.ended
	return nil
}

// Signal sends a signal to the server process itself, never to a wrapper.
// SIGSTOP makes a server that accepts connections and does not answer; Signal then
// returns when all its threads have stopped, since until then one may still answer.
func (d *daemon) Signal(sig os.Signal) error {
	err := d.signal(sig)
	if err == nil && sig == syscall.SIGSTOP {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		err = Poll(ctx, d.stopped)
	}
	if err != nil {
		return fmt.Errorf("lab: %s: %w", d.name, err)
	}
	return nil
}

// stopped reports whether no thread of the server runs.
func (d *daemon) stopped(context.Context) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.PID()))
	if err != nil || len(threads) == 0 {
		return errors.New("it has ended")
	}
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return err
		}
		// PID (NAME) STATE, where the name may hold anything.
		if _, state, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " "); !strings.HasPrefix(state, "T") {
			return fmt.Errorf("a thread is in the state %.1s", state)
		}
	}
	return nil
}

// Log returns everything that the server has logged since its first start.
// It is meant to be printed when a test fails.
func (d *daemon) Log() string {
	var text strings.Builder
	for _, file := range d.logs {
		content, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			content = []byte(err.Error() + "\n")
		}
		if len(content) > 0 {
			fmt.Fprintf(&text, "--- %s: %s\n%s", d.name, filepath.Base(file), content)
		}
	}
	return text.String()
}

// spawn starts the process. One goroutine, locked to its thread, starts it and
// waits for it: the kernel delivers the parent-death signal when the starting
// *thread* ends, so that this thread has to live as long as the child.
func (d *daemon) spawn() error {
	output, err := os.OpenFile(d.logs[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(d.argv[0], d.argv[1:]...)
	cmd.Dir = d.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, d.env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = d.inherit
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // a Ctrl-C in the terminal is the owner's to handle
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // how it ended is in the log
		}
	}()
	if err := <-started; err != nil {
		<-ended
		return err
	}
	d.running.Lock()
	defer d.running.Unlock()
	d.process, d.ended = cmd.Process, ended
	return nil
}

func (d *daemon) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-d.ended:
			cancel(errors.New("it ended"))
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-watched }()
	for _, ready := range d.ready {
		if err := Poll(ctx, ready); err != nil {
			return err
		}
	}
	return nil
}

// Poll asks until ready returns nil, or ctx ends: then the error is the reason
// of that and the last answer.
func Poll(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func (d *daemon) alive() bool {
	d.running.Lock()
	defer d.running.Unlock()
	if d.process == nil {
		return false
	}
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// signal is safe at any time: os.Process knows when it has been waited for.
func (d *daemon) signal(sig os.Signal) error {
	d.running.Lock()
	defer d.running.Unlock()
	if d.process == nil {
		return os.ErrProcessDone
	}
	return d.process.Signal(sig)
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

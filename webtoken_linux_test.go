package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// On a terminal the token of the status page is shown, once.
func TestTokenIsShownOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	controller, terminal := openTerminal(t)
	log := newLogBuffer()
	w := &webServer{log: newTestLog(log), tell: terminal}
	token := w.ownToken()
	if again := w.ownToken(); token.IsEmpty() || !again.Equal(token) {
		t.Error("there is no token, or another one each time")
	}
	fmt.Fprintln(terminal, "end")
	lines := bufio.NewScanner(controller)
	var shown []string
	for lines.Scan() && lines.Text() != "end" {
		shown = append(shown, lines.Text())
	}
	if want := regexp.MustCompile(`^extdisco: the token of the status page until extdisco is restarted .*: ` + token.Reveal() + `$`); len(shown) != 1 || !want.MatchString(shown[0]) {
		t.Errorf("shown: %q", shown)
	}
	if log.String() != "" {
		t.Errorf("logged: %s", log)
	}
}

// openTerminal returns both ends of a terminal.
func openTerminal(t *testing.T) (controller, terminal *os.File) {
	t.Helper()
	controller, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { controller.Close() })
	if err := unix.IoctlSetPointerInt(int(controller.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(controller.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return controller, terminal
}

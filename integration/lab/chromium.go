package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// chromiumFlags make a browser without a window that looks nothing up on the
// Internet, has a camera and a microphone that are made up, and speaks WebRTC
// over loopback alone.
var chromiumFlags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
	"--no-first-run", "--no-default-browser-check", "--disable-breakpad", "--disable-extensions",
	"--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
	"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
	"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
	"--allow-loopback-in-peer-connection",
}

// Browser is a running Chromium without a window.
type Browser struct {
	daemon
	devtools *devtools

	mu    sync.Mutex
	pages map[string]*Page // by session
}

// Page is one page in a browser context of its own: it shares nothing, such as
// cookies, with other pages.
type Page struct {
	browser   *Browser
	session   string
	contextID string

	mu      sync.Mutex
	console strings.Builder
}

// StartChromium starts Chromium (the Debian package chromium) with a fresh
// profile in dir, and with more flags. Once stopped it cannot be started again.
func StartChromium(ctx context.Context, dir string, flags ...string) (*Browser, error) {
	b := &Browser{pages: map[string]*Page{}}
	b.name = "chromium"
	b.argv = slices.Concat([]string{"chromium"}, chromiumFlags, flags, []string{"--user-data-dir=" + filepath.Join(dir, "profile"), "about:blank"})
	b.dir = dir
	b.env = []string{"HOME=" + dir}
	b.logs = []string{filepath.Join(dir, "chromium.log")}
	b.ready = []func(context.Context) error{func(ctx context.Context) error {
		return b.devtools.call(ctx, "", "Browser.getVersion", struct{}{}, nil)
	}}
	if err := b.connect(); err != nil {
		return nil, fmt.Errorf("lab: chromium: %w", err)
	}
	err := b.Start(ctx)
	for _, end := range b.inherit {
		end.Close()
	}
	if err != nil {
		b.devtools.close()
		return nil, err
	}
	return b, nil
}

// connect makes the pipes that Chromium expects as descriptors 3 (commands) and
// 4 (answers).
func (b *Browser) connect() error {
	commands, commandsOut, err := os.Pipe()
	if err != nil {
		return err
	}
	answersIn, answers, err := os.Pipe()
	if err != nil {
		commands.Close()
		commandsOut.Close()
		return err
	}
	b.inherit = []*os.File{commands, answers}
	b.devtools = newDevtools(answersIn, commandsOut, b.event)
	return nil
}

// Stop ends the browser and all of its processes.
func (b *Browser) Stop() error {
	pid := b.PID()
	err := b.daemon.Stop()
	b.devtools.close()
	// Chromium's other processes are in its process group and end with it. What
	// does not is killed.
	if pid > 0 {
		if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("lab: chromium: %w", err)
		}
	}
	return err
}

// Log returns what the pages have written to their consoles, and the browser.
func (b *Browser) Log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var text strings.Builder
	for session, page := range b.pages {
		fmt.Fprintf(&text, "--- console of page %.4s\n%s", session, page.Console())
	}
	return text.String() + b.daemon.Log()
}

// Open opens an address in a new page and waits until it is loaded.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	page, err := b.newPage(ctx)
	if err != nil {
		return nil, fmt.Errorf("lab: chromium: %w", err)
	}
	var navigated struct{ ErrorText string }
	if err := page.call(ctx, "Page.navigate", map[string]any{"url": address}, &navigated); err != nil {
		return nil, fmt.Errorf("lab: chromium: %w", err)
	}
	if navigated.ErrorText != "" {
		return nil, fmt.Errorf("lab: chromium: %s: %s", address, navigated.ErrorText)
	}
	err = Poll(ctx, func(ctx context.Context) error {
		var state string
		if err := page.Eval(ctx, "location.href === 'about:blank' ? 'blank' : document.readyState", &state); err != nil {
			return err
		}
		if state != "complete" {
			return errors.New("the page is " + state)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lab: chromium: %s: %w", address, err)
	}
	return page, nil
}

func (b *Browser) newPage(ctx context.Context) (*Page, error) {
	var made struct{ BrowserContextID, TargetID, SessionID string }
	if err := b.devtools.call(ctx, "", "Target.createBrowserContext", struct{}{}, &made); err != nil {
		return nil, err
	}
	target := map[string]any{"url": "about:blank", "browserContextId": made.BrowserContextID}
	if err := b.devtools.call(ctx, "", "Target.createTarget", target, &made); err != nil {
		return nil, err
	}
	attach := map[string]any{"targetId": made.TargetID, "flatten": true}
	if err := b.devtools.call(ctx, "", "Target.attachToTarget", attach, &made); err != nil {
		return nil, err
	}
	page := &Page{browser: b, session: made.SessionID, contextID: made.BrowserContextID}
	b.mu.Lock()
	b.pages[made.SessionID] = page
	b.mu.Unlock()
	if err := page.call(ctx, "Log.enable", struct{}{}, nil); err != nil {
		return nil, err
	}
	return page, page.call(ctx, "Runtime.enable", struct{}{}, nil)
}

// event keeps what pages write to their consoles, and what the browser says of them
// there, such as that a policy forbids something.
func (b *Browser) event(session, method string, params json.RawMessage) {
	b.mu.Lock()
	page := b.pages[session]
	b.mu.Unlock()
	if page == nil || method != "Runtime.consoleAPICalled" && method != "Runtime.exceptionThrown" && method != "Log.entryAdded" {
		return
	}
	var e struct {
		Type             string
		Args             []remoteObject
		ExceptionDetails exception
		Entry            struct{ Level, Text, URL string }
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	page.mu.Lock()
	defer page.mu.Unlock()
	switch method {
	case "Log.entryAdded":
		fmt.Fprintf(&page.console, "browser %s: %s %s\n", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		return
	case "Runtime.exceptionThrown":
		fmt.Fprintln(&page.console, "exception:", e.ExceptionDetails)
		return
	}
	fmt.Fprint(&page.console, e.Type, ":")
	for _, arg := range e.Args {
		fmt.Fprint(&page.console, " ", arg)
	}
	fmt.Fprintln(&page.console)
}

// Console returns what the page has written to its console.
func (p *Page) Console() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.console.String()
}

// Eval evaluates a JavaScript expression, waits for it if it is a promise, and
// decodes its value into out unless that is nil. An exception is an error.
func (p *Page) Eval(ctx context.Context, expression string, out any) error {
	params := map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}
	var got struct {
		Result           remoteObject
		ExceptionDetails *exception
	}
	if err := p.call(ctx, "Runtime.evaluate", params, &got); err != nil {
		return err
	}
	if got.ExceptionDetails != nil {
		return errors.New(got.ExceptionDetails.String())
	}
	if out == nil {
		return nil
	}
	if got.Result.Value == nil {
		return fmt.Errorf("the value of %.60s is %s", expression, got.Result.Type)
	}
	return json.Unmarshal(got.Result.Value, out)
}

// Close closes the page.
func (p *Page) Close(ctx context.Context) error {
	return p.browser.devtools.call(ctx, "", "Target.disposeBrowserContext", map[string]any{"browserContextId": p.contextID}, nil)
}

func (p *Page) call(ctx context.Context, method string, params, result any) error {
	return p.browser.devtools.call(ctx, p.session, method, params, result)
}

// remoteObject is a JavaScript value as the protocol tells it.
type remoteObject struct {
	Type, Description string
	Value             json.RawMessage
}

func (o remoteObject) String() string {
	if o.Description != "" {
		return o.Description
	}
	var text string
	if json.Unmarshal(o.Value, &text) == nil {
		return text
	}
	return string(o.Value)
}

type exception struct {
	Text      string
	Exception remoteObject
}

func (e exception) String() string { return strings.TrimSpace(e.Text + " " + e.Exception.String()) }

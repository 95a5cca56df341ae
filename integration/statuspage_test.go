//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

const pageToken = "token-of-the-page-of-the-lab"

// statusPage is a scene with a browser that looks at the status page.
type statusPage struct {
	*scene
	browser *lab.Browser
	url     string
}

// newStatusPage starts an extdisco with servers in several states: a coturn that
// works, a port where nobody listens, and a coturn with another secret.
func newStatusPage(t *testing.T) *statusPage {
	t.Helper()
	closed, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	other, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{"another-secret-of-the-lab-012345"}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, other)
	p := &statusPage{}
	p.scene = newScene(t, "prosody", sceneConfig{config: func(s *scene) string {
		return fmt.Sprintf(`
[component]
jid    = %q
server = %q
secret = %q
hosts  = [%q]
[[ice_server]]
urls   = ["stun:127.0.0.1:%d", "turn:127.0.0.1:%d?transport=udp", "turn:127.0.0.1:%d?transport=tcp", "turn:127.0.0.1:%d?transport=tcp"]
secret = %q
[[ice_server]]
urls   = ["turn:127.0.0.1:%d?transport=udp"]
secret = %q
[probe]
interval = "1s"
allocate_interval = "1s"
[http]
listen = "127.0.0.1:0"
token  = %q
`, turnJID, s.xmpp.ComponentAddr, handshakeSecret, meetHost, s.turn.Port, s.turn.Port, s.turn.Port, closed, sharedSecret, other.Port, sharedSecret, pageToken)
	}})
	p.url = siteOf(t, p.extdisco)
	if p.browser, err = lab.StartChromium(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	keep(t, p.browser)
	return p
}

// siteOf returns where an extdisco serves HTTP.
func siteOf(t *testing.T, e *lab.Extdisco) string {
	t.Helper()
	m := regexp.MustCompile(`status page" url=(http://\S+)`).FindStringSubmatch(e.Log())
	if m == nil {
		t.Fatalf("HTTP is not served:\n%s", e.Log())
	}
	return m[1]
}

// TestIntegrationStatusPage tries the relays from a browser, with the keyboard
// alone, and looks at the page as people do who see little or use a phone.
func TestIntegrationStatusPage(t *testing.T) {
	t.Parallel()
	p := newStatusPage(t)
	for range 5 { // in two namespaces each
		if _, err := p.query(meetHost); err != nil {
			t.Fatal(err)
		}
	}
	for _, said := range []string{"a server does not work", "refuses the credentials"} {
		if err := p.extdisco.WaitForLog(stepContext(t), said, 1); err != nil {
			t.Fatal(err)
		}
	}
	page, err := p.browser.Open(browserContext(t), p.url)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Look(browserContext(t), lab.View{Width: 1100, Height: 900}); err != nil {
		t.Fatal(err)
	}
	tryWithKeyboard(t, page, pageToken)
	want := []string{"works: answered", "works: gave the relay address 127.0.0.1", "works: gave the relay address 127.0.0.1",
		"does not work: cannot be reached from this browser", "does not work: refused with 401"}
	if got := tryResults(t, page); len(got) != len(want) || !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the page says\n%s", strings.Join(got, "\n"))
	}
	wantOnPage(t, page, "3 of 5 servers work.", "10 answered, 0 refused, 0 failed in the last hour", "does not work", "refuses our credentials", "To do:")
	checkOrder(t, page)
	checkAccessible(t, page)
	checkViews(t, page)
	if err := page.Look(browserContext(t), lab.View{Width: 360, Height: 740, Phone: true}); err != nil {
		t.Fatal(err)
	}
	checkAccessible(t, page) // where cells are blocks
	if console := page.Console(); console != "" {
		t.Errorf("the page complains: %s", console)
	}
	if log := p.extdisco.Log(); strings.Contains(log, pageToken) {
		t.Error("the log has the token")
	}
}

// tryWithKeyboard gives the token and waits for the results, without a mouse.
func tryWithKeyboard(t *testing.T, page *lab.Page, token string) {
	t.Helper()
	ctx := browserContext(t)
	for range 5 { // the first element that takes the focus is the token's
		var id string
		if err := page.Eval(ctx, "document.activeElement.id", &id); err != nil {
			t.Fatal(err)
		}
		if id == "token" {
			break
		}
		if err := page.Press(ctx, "Tab"); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.Type(ctx, token); err != nil {
		t.Fatal(err)
	}
	if err := page.Press(ctx, "Enter"); err != nil {
		t.Fatal(err)
	}
	err := lab.Poll(ctx, func(ctx context.Context) error {
		var said string
		if err := page.Eval(ctx, `document.getElementById("try-status").textContent`, &said); err != nil {
			return err
		}
		if said == "" || strings.HasSuffix(said, "…") {
			return fmt.Errorf("the page says %q", said)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkOrder checks that what is wrong stands above the form, each server's fault
// once.
func checkOrder(t *testing.T, page *lab.Page) {
	t.Helper()
	var body string
	if err := page.Eval(browserContext(t), `[...document.querySelectorAll("main > section, main > div")].map((e) => e.innerText).join("\n")`, &body); err != nil {
		t.Fatal(err)
	}
	try, relays := strings.Index(body, "Your browser gets a credential"), strings.Index(body, "ICE servers")
	if relays < 0 || try < relays {
		t.Errorf("the form stands at %d and the servers at %d", try, relays)
	}
	above, _, _ := strings.Cut(body, "Your browser gets a credential")
	for _, fault := range []string{"nothing listens at this port", "401"} {
		if n := strings.Count(above, fault); n != 1 {
			t.Errorf("%q stands there %d times", fault, n)
		}
	}
}

func tryResults(t *testing.T, page *lab.Page) (results []string) {
	t.Helper()
	err := page.Eval(browserContext(t), `[...document.querySelectorAll("#try-results td")].map((cell) => cell.textContent)`, &results)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// wantOnPage waits until the page, which keeps itself fresh, says each of the
// texts.
func wantOnPage(t *testing.T, page *lab.Page, texts ...string) {
	t.Helper()
	err := lab.Poll(browserContext(t), func(ctx context.Context) error {
		var body string
		if err := page.Eval(ctx, "document.body.innerText", &body); err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				return fmt.Errorf("the page does not say %q: %s", text, body)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// checkAccessible looks for what a screen reader needs to say.
func checkAccessible(t *testing.T, page *lab.Page) {
	t.Helper()
	spoken, err := page.Spoken(browserContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"heading: extdisco", "heading: ICE servers", "heading: Requests in the last hour", "textbox: Token of this page",
		"button: Try the relays from this browser", "image: 10 answered, 0 refused, 0 failed in the last hour; at most",
		"region: Requests in the last hour", "columnheader: Health", "rowheader: turn:127.0.0.1",
	} {
		if !slices.ContainsFunc(spoken, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("a screen reader does not find %q among\n%s", want, strings.Join(spoken, "\n"))
		}
	}
}

// contrastScript returns the texts of the page whose contrast to what is behind
// them is below 4.5 (WCAG 2.2 §1.4.3).
const contrastScript = `(() => {
  const rgb = (s) => s.match(/[\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const weak = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest(".visually-hidden, noscript, svg")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(e.textContent.trim().slice(0, 40) + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return weak;
})()`

// checkViews looks at the page in light and dark, and on a phone. With
// SCREENSHOTS=FOLDER the pictures are kept there.
func checkViews(t *testing.T, page *lab.Page) {
	t.Helper()
	for name, view := range map[string]lab.View{
		"desktop-light": {Width: 1100, Height: 900},
		"desktop-dark":  {Width: 1100, Height: 900, Dark: true},
		"phone-light":   {Width: 360, Height: 740, Phone: true},
		"phone-dark":    {Width: 360, Height: 740, Phone: true, Dark: true},
	} {
		ctx := browserContext(t)
		if err := page.Look(ctx, view); err != nil {
			t.Fatal(err)
		}
		var weak []string
		if err := page.Eval(ctx, contrastScript, &weak); err != nil {
			t.Fatal(err)
		}
		if len(weak) > 0 {
			t.Errorf("%s: hard to read: %q", name, weak)
		}
		var width, small int
		if err := page.Eval(ctx, "document.documentElement.scrollWidth", &width); err != nil || width > view.Width {
			t.Errorf("%s: the page is %d wide, %v", name, width, err)
		}
		if err := page.Eval(ctx, `[...document.querySelectorAll("button, input")].filter((e) => e.offsetHeight < 44).length`, &small); err != nil || small > 0 {
			t.Errorf("%s: %d elements are too small for a finger, %v", name, small, err)
		}
		if dir := os.Getenv("SCREENSHOTS"); dir != "" {
			if err := page.Screenshot(ctx, filepath.Join(dir, name+".png")); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestIntegrationStatusPageKeepsFresh stops the XMPP server and waits until the open
// page says so, and what to do.
func TestIntegrationStatusPageKeepsFresh(t *testing.T) {
	t.Parallel()
	p := newStatusPage(t)
	page, err := p.browser.Open(browserContext(t), p.url)
	if err != nil {
		t.Fatal(err)
	}
	wantOnPage(t, page, "3 of 5 servers work.")
	if err := p.xmpp.Stop(); err != nil {
		t.Fatal(err)
	}
	wantOnPage(t, page, "Not connected to the XMPP server.", "down, lost", "To do: start the XMPP server", "nothing accepts connections at the address of the XMPP server")
}

// TestIntegrationStatusPageRefuses holds what a page of somebody else gets in the
// visitor's browser, and what a wrong token does.
func TestIntegrationStatusPageRefuses(t *testing.T) {
	t.Parallel()
	p := newStatusPage(t)
	page, err := p.browser.Open(browserContext(t), p.url)
	if err != nil {
		t.Fatal(err)
	}
	tryWithKeyboard(t, page, "a token of somebody else")
	wantOnPage(t, page, "No credential: the token is wrong.")
	if got := tryResults(t, page); len(got) > 0 {
		t.Errorf("the page says %q", got)
	}
	// A name that was made to lead here by somebody else (DNS rebinding).
	rebound, err := p.browser.Open(browserContext(t), strings.Replace(p.url, "127.0.0.1", "rebound.localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	wantOnPage(t, rebound, "this page is not served as rebound.localhost")
	// The same server under another name is another origin.
	stranger, err := p.browser.Open(browserContext(t), strings.Replace(p.url, "127.0.0.1", "localhost", 1)+"healthz")
	if err != nil {
		t.Fatal(err)
	}
	var outcome string
	err = stranger.Eval(browserContext(t), fmt.Sprintf(`fetch(%q, {method: "POST", mode: "no-cors", body: ""}).then((r) => r.type + r.status, (e) => "failed")`, p.url+"try"), &outcome)
	if err != nil || outcome != "failed" {
		t.Errorf("another origin gets %q, %v", outcome, err)
	}
	err = stranger.Eval(browserContext(t), fmt.Sprintf(`fetch(%q, {method: "POST", headers: {Authorization: "Bearer %s"}}).then((r) => r.status, () => "failed")`, p.url+"try", pageToken), &outcome)
	if err != nil || outcome != "failed" {
		t.Errorf("another origin with the token gets %q, %v", outcome, err)
	}
}

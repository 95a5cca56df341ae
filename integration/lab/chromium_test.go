//go:build integration

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func startChromium(t *testing.T) (browser *Browser, dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := StartChromium(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(b.Log())
		}
	})
	return b, dir
}

func TestIntegrationLabChromiumEvaluates(t *testing.T) {
	b, _ := startChromium(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><link rel=icon href='data:,'><script>console.log('loaded', 42); document.cookie = 'a=b'</script>")
	}))
	defer web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	one, err := b.Open(ctx, web.URL)
	if err != nil {
		t.Fatal(err)
	}
	var sum struct{ Sum int }
	if err := one.Eval(ctx, "Promise.resolve({sum: 40 + 2})", &sum); err != nil || sum.Sum != 42 {
		t.Errorf("%v %v", sum, err)
	}
	if err := one.Eval(ctx, "Promise.reject(new Error('no such thing'))", nil); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("a rejection is %v", err)
	}
	if err := one.Eval(ctx, "undefined", &sum); err == nil {
		t.Error("undefined was decoded")
	}
	if log := b.Log(); !strings.Contains(log, "log: loaded 42\n") {
		t.Errorf("the log lacks the console: %s", log)
	}
	two, err := b.Open(ctx, web.URL+"/other")
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := one.Eval(ctx, "1", nil); err == nil {
		t.Error("a closed page evaluates")
	}
	if err := two.Eval(ctx, "1", nil); err != nil {
		t.Error(err)
	}
}

func TestIntegrationLabChromiumUnreachable(t *testing.T) {
	b, _ := startChromium(t)
	web := httptest.NewServer(nil)
	web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if _, err := b.Open(ctx, web.URL); err == nil || !strings.Contains(err.Error(), "CONNECTION_REFUSED") {
		t.Errorf("got %v", err)
	}
}

// TestIntegrationLabChromiumLeavesNothing counts the processes of the browser, of
// which there are many: all name its profile.
func TestIntegrationLabChromiumLeavesNothing(t *testing.T) {
	b, dir := startChromium(t)
	if n := processesNaming(t, dir); n < 2 {
		t.Fatalf("%d processes, is this how to count them?", n)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := Poll(ctx, func(context.Context) error {
		if n := processesNaming(t, dir); n > 0 {
			return fmt.Errorf("%d processes are left", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := b.Open(t.Context(), "about:blank"); !errors.Is(err, errBrowserGone) && !errors.Is(err, os.ErrClosed) {
		t.Errorf("a stopped browser opens a page: %v", err)
	}
}

// processesNaming counts the processes with the text in their command line.
func processesNaming(t *testing.T, text string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, file := range files {
		// A process that is gone by now cannot be read.
		if command, err := os.ReadFile(file); err == nil && strings.Contains(string(command), text) {
			count++
		}
	}
	return count
}

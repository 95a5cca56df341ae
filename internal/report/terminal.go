package report

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// IsTerminal reports whether somebody looks at what is written.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// style colours text, on a terminal and unless NO_COLOR is set
// (https://no-color.org).
type style struct{ colour bool }

func styleOf(w io.Writer) style { return style{IsTerminal(w) && os.Getenv("NO_COLOR") == ""} }

func (s style) good(text string) string { return s.in("32", text) }
func (s style) bad(text string) string  { return s.in("31", text) }

func (s style) in(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// progress counts on a terminal what has been done, and leaves nothing behind.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil where nobody looks
	count int
	total int
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total}
	if IsTerminal(w) && total > 0 {
		p.w = w
	}
	p.show()
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.show()
}

func (p *progress) show() {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[Ktried %d of %d", p.count, p.total)
	}
}

func (p *progress) done() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

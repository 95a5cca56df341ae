package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"extdisco/internal/web"
)

// maxProblems is how many problems the status page shows.
const maxProblems = 20

// problemLog keeps the latest warnings and errors that were logged. The same again
// counts once more and takes no room.
type problemLog struct {
	mu   sync.Mutex
	list []web.Problem // the latest first
}

func (p *problemLog) add(next web.Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, old := range p.list {
		if sameProblem(old, next) {
			next.First, next.Times = old.First, old.Times+1
			p.list = slices.Delete(p.list, i, i+1)
			break
		}
	}
	p.list = slices.Insert(p.list, 0, next)
	p.list = p.list[:min(len(p.list), maxProblems)]
}

// sameProblem compares what is wrong. Without a cure it is the details that tell.
func sameProblem(a, b web.Problem) bool {
	return a.Message == b.Message && a.Link == b.Link && a.Cure == b.Cure && a.IsError == b.IsError && (a.Cure != "" || a.Details == b.Details)
}

func (p *problemLog) latest() []web.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// problemHandler is a [slog.Handler] that passes records on and keeps those at
// level warn and above.
type problemHandler struct {
	slog.Handler
	problems *problemLog
	attrs    []slog.Attr // of the logger
}

// WithAttrs implements [slog.Handler].
func (h problemHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return problemHandler{h.Handler.WithAttrs(attrs), h.problems, slices.Concat(h.attrs, attrs)}
}

// WithGroup implements [slog.Handler]. Groups are not shown.
func (h problemHandler) WithGroup(name string) slog.Handler {
	return problemHandler{h.Handler.WithGroup(name), h.problems, h.attrs}
}

// Enabled implements [slog.Handler]: problems are kept also when they are not
// logged.
func (h problemHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h problemHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.problems.add(problemOf(r, h.attrs))
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// problemOf returns a record as the page shows it.
func problemOf(r slog.Record, attrs []slog.Attr) web.Problem {
	p := web.Problem{First: r.Time, Last: r.Time, Times: 1, IsError: r.Level >= slog.LevelError, Message: r.Message}
	var details []string
	add := func(a slog.Attr) bool {
		switch value := a.Value.Resolve().String(); a.Key {
		case "do":
			p.Cure = value
		case "link":
			p.Link = value
		case "stack", "retry_in", "next_in": // of no use later
		default:
			details = append(details, fmt.Sprintf("%s: %.300s", a.Key, value))
		}
		return true
	}
	for _, a := range attrs {
		add(a)
	}
	r.Attrs(add)
	p.Details = strings.Join(details, "; ")
	return p
}

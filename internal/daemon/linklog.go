package daemon

import (
	"context"
	"log/slog"
	"regexp"
)

// linkHandler is a [slog.Handler] that names the link in each line, if there are several,
// and its table in what there is to do.
type linkHandler struct {
	slog.Handler
	link *link
}

// WithAttrs implements [slog.Handler].
func (h linkHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return linkHandler{h.Handler.WithAttrs(attrs), h.link}
}

// WithGroup implements [slog.Handler].
func (h linkHandler) WithGroup(name string) slog.Handler {
	return linkHandler{h.Handler.WithGroup(name), h.link}
}

// Handle implements [slog.Handler].
func (h linkHandler) Handle(ctx context.Context, r slog.Record) error {
	cfg, _, alone := h.link.now()
	named := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "do" {
			a.Value = slog.StringValue(inTable(cfg.Key, a.Value.String()))
		}
		named.AddAttrs(a)
		return true
	})
	if !alone {
		named.Add("link", cfg.Name)
	}
	return h.Handler.Handle(ctx, named)
}

// componentKey is a key as package component names it, which does not know the table.
var componentKey = regexp.MustCompile(`\bcomponent\.(jid|server|secret|secret_file|hosts)\b`)

// inTable puts the table of a link into what there is to do: component[1].server.
func inTable(table, cure string) string {
	return componentKey.ReplaceAllString(cure, table+".$1")
}

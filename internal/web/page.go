package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed page.html.tmpl page.css page.js
var assets embed.FS

// pageTemplate is parsed when somebody first looks at the page, which keeps it out
// of the start.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html.tmpl").Funcs(template.FuncMap{
		"ago":         ago,
		"at":          func(t any, now time.Time) instant { return instant{t, now} },
		"stamp":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"bytes":       formatBytes,
		"clock":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"plot":        newPlot,
		"hostCures":   hostCures,
		"linksUp":     linksUp,
		"healthClass": healthClass,
		"healthLabel": healthLabel,
	}).ParseFS(assets, "page.html.tmpl"))
})

// instant is what a part of the page shows, and when the page is made.
type instant struct {
	T   any // an instant, or a [Link]
	Now time.Time
}

// view is what the template is given.
type view struct {
	Status
	Verdict  verdict
	Problems []Problem // those that are not shown elsewhere
	CanTry   bool      // there is a token
}

// healthClass returns the class of page.css for a health.
func healthClass(h Health) string {
	switch h {
	case Healthy:
		return "good"
	case Impaired, Undecided:
		return "warn"
	case Unknown:
		return "quiet"
	}
	return "bad"
}

// page shows the status.
func (s *Site) page(w http.ResponseWriter, _ *http.Request) {
	status := s.cfg.Backend.Status(time.Now())
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, view{status, newVerdict(status), unsaidProblems(status), !s.cfg.Token.IsEmpty()}); err != nil {
		s.cfg.Log.Error("cannot render the status page; please report this", "err", err)
		plain(w, http.StatusInternalServerError, "cannot render the page; see the log")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// asset serves an embedded file.
func asset(name, contentType string) http.HandlerFunc {
	content, err := assets.ReadFile(name)
	if err != nil {
		panic(err) // it was not embedded
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content)
	}
}

// ago returns how long before or after now an instant is, in words.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span says how long a duration is, in one or two units.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// formatBytes returns a number of bytes as people read it.
func formatBytes(n uint64) string {
	unit, value := 0, float64(n)
	for value >= 1000 && unit < 4 {
		unit, value = unit+1, value/1000
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", value, [...]string{"", "kB", "MB", "GB", "TB"}[unit])
}

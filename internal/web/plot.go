package web

import "fmt"

// Size of the plot in its own units; the page stretches it.
const (
	plotWidth  = 600
	plotHeight = 120
	plotGap    = 2 // between two bars
)

// plot is the requests of the last hour as bars, one a minute.
type plot struct {
	Width, Height int
	Bars          []bar
	Most          int // requests in the minute that had the most
	Summary       string
}

// bar is one minute: what was answered stands at the bottom, what was refused and
// what failed on top of it.
type bar struct {
	X, Width                                                   float64
	AnsweredY, AnsweredH, RefusedY, RefusedH, FailedY, FailedH float64
	Label                                                      string
}

func newPlot(hour []Minute) plot {
	p := plot{Width: plotWidth, Height: plotHeight}
	var sum Minute
	for _, m := range hour {
		p.Most = max(p.Most, m.Answered+m.Refused+m.Failed)
		sum.Answered, sum.Refused, sum.Failed = sum.Answered+m.Answered, sum.Refused+m.Refused, sum.Failed+m.Failed
	}
	p.Summary = fmt.Sprintf("%d answered, %d refused, %d failed in the last hour; at most %d in a minute.", sum.Answered, sum.Refused, sum.Failed, p.Most)
	if len(hour) == 0 {
		return p
	}
	step, scale := float64(plotWidth)/float64(len(hour)), float64(plotHeight)/float64(max(p.Most, 1))
	for i, m := range hour {
		if m == (Minute{}) {
			continue
		}
		b := bar{X: float64(i) * step, Width: step - plotGap,
			AnsweredH: float64(m.Answered) * scale, RefusedH: float64(m.Refused) * scale, FailedH: float64(m.Failed) * scale,
			Label: fmt.Sprintf("%d min ago: %d answered, %d refused, %d failed", len(hour)-1-i, m.Answered, m.Refused, m.Failed)}
		b.AnsweredY = plotHeight - b.AnsweredH
		b.RefusedY = b.AnsweredY - b.RefusedH
		b.FailedY = b.RefusedY - b.FailedH
		p.Bars = append(p.Bars, b)
	}
	return p
}

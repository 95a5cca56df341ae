package web

import (
	"fmt"
	"math"
)

// Size of the plot in its own units; the page stretches it.
const (
	plotWidth  = 600
	plotHeight = 120
	plotGap    = 2 // between two bars
	// plotLeast is the height of the smallest part of a bar, so that one refusal
	// among a thousand answers is seen.
	plotLeast = 3
)

// plot is the requests of the last hour as bars, one a minute.
type plot struct {
	Width, Height int
	Bars          []bar
	Top, Middle   int // what the scale says: requests in a minute
	Sum           Minute
	Summary       string
}

// bar is one minute: answered requests stand at the bottom, refused and failed ones
// on top of them.
type bar struct {
	X, Width float64
	Parts    []part // from the bottom up
	Label    string
}

// part is a part of a bar.
type part struct {
	Class     string
	Y, Height float64
}

func newPlot(hour []Minute) plot {
	p := plot{Width: plotWidth, Height: plotHeight}
	most := 0
	for _, m := range hour {
		most = max(most, m.total())
		p.Sum.Answered, p.Sum.Refused, p.Sum.Failed = p.Sum.Answered+m.Answered, p.Sum.Refused+m.Refused, p.Sum.Failed+m.Failed
	}
	p.Top = roundUp(most)
	p.Middle = p.Top / 2
	p.Summary = fmt.Sprintf("%d answered, %d refused, %d failed in the last hour; at most %d in a minute.", p.Sum.Answered, p.Sum.Refused, p.Sum.Failed, most)
	for i, m := range hour {
		if m.total() > 0 {
			step := float64(plotWidth) / float64(len(hour))
			p.Bars = append(p.Bars, bar{X: hundredths(float64(i) * step), Width: hundredths(step - plotGap), Parts: p.parts(m),
				Label: fmt.Sprintf("%d min ago: %d answered, %d refused, %d failed", len(hour)-1-i, m.Answered, m.Refused, m.Failed)})
		}
	}
	return p
}

// parts returns the parts of a minute's bar. What makes the smallest of them visible
// is taken from the largest.
func (p plot) parts(m Minute) (parts []part) {
	sum, largest := 0.0, 0
	for _, of := range []struct {
		class string
		count int
	}{{"answered", m.Answered}, {"refused", m.Refused}, {"failed", m.Failed}} {
		if of.count > 0 {
			height := max(float64(of.count)*plotHeight/float64(p.Top), plotLeast)
			parts = append(parts, part{Class: of.class, Height: height})
			sum += height
			if height > parts[largest].Height {
				largest = len(parts) - 1
			}
		}
	}
	parts[largest].Height -= max(sum-plotHeight, 0)
	y := float64(plotHeight)
	for i := range parts {
		y -= parts[i].Height
		parts[i].Y, parts[i].Height = hundredths(y), hundredths(parts[i].Height)
	}
	return parts
}

func hundredths(x float64) float64 { return math.Round(x*100) / 100 }

// roundUp returns the smallest end of a scale that holds n: 2, 4 or 10 with zeros.
func roundUp(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, end := range []int{2, 4, 10} {
			if end*unit >= n {
				return end * unit
			}
		}
	}
}

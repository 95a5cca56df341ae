// Package report prints what subcommands found out, for people as tables and for
// programs as JSON.
package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"extdisco/internal/probe"
)

// Tried is a server that was tried.
type Tried struct {
	Where  string // where it stands: "ice_server[0]", or the namespace of an answer
	Result probe.Result
}

// Probed prints how each server fares: a line for each of its addresses, and
// below what to change, and what else is worth knowing.
func Probed(w io.Writer, results []Tried, now time.Time) error {
	if len(results) == 0 {
		_, err := fmt.Fprintln(w, "There is no STUN or TURN server to try.")
		return err
	}
	style := styleOf(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVER\tADDRESS\tRESULT")
	var cures, notes remarks
	for _, p := range results {
		uri := p.Result.Server.URI()
		if f := p.Result.Failure; f != nil {
			fmt.Fprintf(table, "%s\t-\t%s\n", uri, style.bad("FAILED   "+f.Error()))
			cures.add(f.Cure(), uri)
		}
		for _, a := range p.Result.Addresses {
			where := uri
			if len(p.Result.Addresses) > 1 {
				where += " at " + a.Address.Addr().String()
			}
			skipped := a.Failure != nil && a.Failure.Kind == probe.KindNoRoute && p.Result.OK()
			fmt.Fprintf(table, "%s\t%s\t%s\n", uri, a.Address, resultLine(style, a, skipped, now))
			switch {
			case skipped:
				notes.add("this machine has no route to that address, so it was not tried", where)
			case a.Failure != nil:
				cures.add(a.Failure.Cure(), where)
			}
			for _, note := range a.Notes {
				notes.add(note, where)
			}
			if a.Certificate != nil && a.Certificate.IsShort(now) {
				notes.add("the certificate expires within 14 days: see that it is renewed", where)
			}
		}
	}
	return errors.Join(table.Flush(), cures.print(w, "What to change:"), notes.print(w, "Worth knowing:"))
}

// remarks are texts, each with the servers that it is about.
type remarks struct {
	texts []string
	about map[string][]string
}

func (r *remarks) add(text, server string) {
	if r.about == nil {
		r.about = map[string][]string{}
	}
	if _, known := r.about[text]; !known {
		r.texts = append(r.texts, text)
	}
	r.about[text] = append(r.about[text], server)
}

func (r *remarks) print(w io.Writer, title string) error {
	if len(r.texts) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", title)
	for _, text := range r.texts {
		for _, server := range r.about[text] {
			fmt.Fprintf(&b, "  %s\n", server)
		}
		fmt.Fprintf(&b, "    %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// resultLine says of an address what was done and how long it took, and what failed.
func resultLine(style style, a probe.AddressResult, skipped bool, now time.Time) string {
	var parts []string
	for _, s := range a.Steps {
		if s.Step == probe.StepConnect {
			continue // says nothing over UDP, and is part of the rest
		}
		parts = append(parts, fmt.Sprintf("%s %s", s.Step, probe.FormatRoundTrip(s.Took)))
	}
	if c := a.Certificate; c != nil {
		parts = append(parts, certificateLine(c, now))
	}
	line := strings.Join(parts, ", ")
	switch {
	case a.Failure == nil:
		return style.good("ok       " + line)
	case skipped:
		return "skipped  " + a.Failure.Error()
	case line != "":
		line = "; before that " + line
	}
	return style.bad("FAILED   " + a.Failure.Error() + line)
}

func certificateLine(c *probe.Certificate, now time.Time) string {
	left := c.NotAfter.Sub(now)
	if left < 0 {
		return fmt.Sprintf("%s, expired on %s", c, c.NotAfter.Format(time.DateOnly))
	}
	return fmt.Sprintf("%s, %d days left", c, int(left.Hours()/24))
}

// probedJSON is a server as probe --json prints it. Credentials are not in it.
type probedJSON struct {
	Where     string        `json:"where"`
	URI       string        `json:"uri"`
	OK        bool          `json:"ok"`
	Failure   *failureJSON  `json:"failure,omitempty"`
	Addresses []addressJSON `json:"addresses,omitempty"`
}

type addressJSON struct {
	Address     string           `json:"address"`
	Steps       []stepJSON       `json:"steps"`
	Relayed     string           `json:"relayed,omitempty"`
	Certificate *certificateJSON `json:"certificate,omitempty"`
	Failure     *failureJSON     `json:"failure,omitempty"`
	Notes       []string         `json:"notes,omitempty"`
}

type stepJSON struct {
	Step         string  `json:"step"`
	Milliseconds float64 `json:"milliseconds"`
}

type certificateJSON struct {
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
}

type failureJSON struct {
	Step string `json:"step"`
	Kind string `json:"kind"`
	Code int    `json:"code,omitempty"`
	Text string `json:"text"`
	Do   string `json:"do"`
}

// ProbedJSON prints the same as JSON. Credentials are not in it.
func ProbedJSON(w io.Writer, results []Tried) error {
	return JSON(w, struct {
		Version int          `json:"version"`
		Servers []probedJSON `json:"servers"`
	}{JSONVersion, newProbedJSON(results)})
}

func newProbedJSON(results []Tried) []probedJSON {
	out := make([]probedJSON, 0, len(results))
	for _, p := range results {
		j := probedJSON{Where: p.Where, URI: p.Result.Server.URI(), OK: p.Result.OK(), Failure: newFailureJSON(p.Result.Failure)}
		for _, a := range p.Result.Addresses {
			j.Addresses = append(j.Addresses, newAddressJSON(a))
		}
		out = append(out, j)
	}
	return out
}

func newAddressJSON(a probe.AddressResult) addressJSON {
	out := addressJSON{Address: a.Address.String(), Steps: []stepJSON{}, Failure: newFailureJSON(a.Failure), Notes: a.Notes}
	for _, s := range a.Steps {
		out.Steps = append(out.Steps, stepJSON{string(s.Step), float64(s.Took.Microseconds()) / 1000})
	}
	if a.Relayed.IsValid() {
		out.Relayed = a.Relayed.String()
	}
	if c := a.Certificate; c != nil {
		out.Certificate = &certificateJSON{c.Names, c.NotAfter}
	}
	return out
}

func newFailureJSON(f *probe.Failure) *failureJSON {
	if f == nil {
		return nil
	}
	return &failureJSON{string(f.Step), string(f.Kind), f.Code, f.Problem(), f.Cure()}
}

// TryAll tries the servers of targets and counts on w, if that is a terminal, how many
// are done.
func TryAll(w io.Writer, targets []Tried, options probe.Options) []Tried {
	progress := newProgress(w, len(targets))
	defer progress.done()
	servers := make([]probe.Server, len(targets))
	for i, t := range targets {
		servers[i] = t.Result.Server
	}
	results := make([]Tried, len(targets))
	for i, r := range probe.TryAll(context.Background(), servers, options, progress.step) {
		results[i] = Tried{targets[i].Where, r}
	}
	return results
}

// ProbeFailure is the error that a command ends with when a server does not work.
func ProbeFailure(results []Tried) error {
	broken := 0
	for _, t := range results {
		if !t.Result.OK() {
			broken++
		}
	}
	if broken == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d servers do not work from here", broken, len(results))
}

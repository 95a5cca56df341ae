package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"extdisco/probe"
)

// certificateSoon is how long before its end a certificate is worth a word.
const certificateSoon = 14 * 24 * time.Hour

// printProbed prints how each server fares: a line for each of its addresses, with
// what to change below the ones that do not work.
func printProbed(w io.Writer, results []probed, now time.Time) error {
	style := styleOf(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVER\tADDRESS\tRESULT")
	var cures []string
	for _, p := range results {
		uri := p.result.Server.URI()
		if f := p.result.Failure; f != nil {
			fmt.Fprintf(table, "%s\t-\t%s\n", uri, style.bad("FAILED  "+f.Error()))
			cures = append(cures, uri+": "+f.Cure())
		}
		for _, a := range p.result.Addresses {
			fmt.Fprintf(table, "%s\t%s\t%s\n", uri, a.Address, resultLine(style, a, now))
			if a.Failure != nil {
				cures = append(cures, fmt.Sprintf("%s at %s: %s", uri, a.Address.Addr(), a.Failure.Cure()))
			}
			if a.Note != "" {
				cures = append(cures, fmt.Sprintf("%s at %s: %s", uri, a.Address.Addr(), a.Note))
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, cure := range cures {
		if i == 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintln(w, "! "+cure); err != nil {
			return err
		}
	}
	return nil
}

// resultLine says of an address what was done and how long it took, or what failed.
func resultLine(style style, a probe.AddressResult, now time.Time) string {
	var parts []string
	for _, s := range a.Steps {
		if s.Step == probe.StepConnect {
			continue // says nothing over UDP, and is part of the rest
		}
		parts = append(parts, fmt.Sprintf("%s %v", s.Step, s.Took.Round(100*time.Microsecond)))
	}
	if c := a.Certificate; c != nil {
		parts = append(parts, certificateLine(c, now))
	}
	line := strings.Join(parts, ", ")
	if a.Failure == nil {
		return style.good("ok      " + line)
	}
	if line != "" {
		line = "; before: " + line
	}
	return style.bad("FAILED  " + a.Failure.Error() + line)
}

func certificateLine(c *probe.Certificate, now time.Time) string {
	days := int(c.NotAfter.Sub(now).Hours() / 24)
	line := fmt.Sprintf("certificate of %s, %d days left", strings.Join(c.Names, " "), days)
	if left := c.NotAfter.Sub(now); left > 0 && left < certificateSoon {
		line += " (renew it)"
	}
	return line
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
	Note        string           `json:"note,omitempty"`
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

func newProbedJSON(results []probed) []probedJSON {
	out := make([]probedJSON, 0, len(results))
	for _, p := range results {
		j := probedJSON{Where: p.key, URI: p.result.Server.URI(), OK: p.result.OK(), Failure: newFailureJSON(p.result.Failure)}
		for _, a := range p.result.Addresses {
			j.Addresses = append(j.Addresses, newAddressJSON(a))
		}
		out = append(out, j)
	}
	return out
}

func newAddressJSON(a probe.AddressResult) addressJSON {
	out := addressJSON{Address: a.Address.String(), Steps: []stepJSON{}, Failure: newFailureJSON(a.Failure), Note: a.Note}
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

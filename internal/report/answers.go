package report

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/query"
	"extdisco/xep0215"
)

// Answers prints the answers as tables, each with what is wrong with it.
func Answers(w io.Writer, to string, answers []query.Answer, now time.Time) error {
	for i, a := range answers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		took := a.Took.Round(100 * time.Microsecond)
		switch {
		case errors.As(a.Err, new(stanza.Error)):
			fmt.Fprintf(w, "%s refused %s in %v: %s\n", to, a.Namespace, took, query.Explain(a.Err))
		case a.Err != nil:
			fmt.Fprintf(w, "%s did not answer %s: %s\n", to, a.Namespace, query.Explain(a.Err))
		case len(a.Services) == 0:
			fmt.Fprintf(w, "%s answered %s with an empty list in %v\n", to, a.Namespace, took)
		default:
			fmt.Fprintf(w, "%s answered %s in %v, services: %d\n", to, a.Namespace, took, len(a.Services))
		}
		if err := Services(w, a.Services, now); err != nil {
			return err
		}
	}
	return nil
}

// Services prints services as a table, each with what is wrong with it.
func Services(w io.Writer, services []xep0215.Service, now time.Time) error {
	if len(services) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TYPE\tHOST\tPORT\tTRANSPORT\tUSERNAME\tPASSWORD\tEXPIRES")
	for _, s := range services {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(s.Type), orDash(s.Host), port(s), orDash(s.Transport),
			orDash(s.Username), orDash(s.Password), expiry(s, now))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range services {
		for _, problem := range problems(s, now) {
			fmt.Fprintf(w, "! %s %s: %s\n", orDash(s.Type), orDash(s.Host), problem)
		}
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func port(s xep0215.Service) string {
	if s.Port == 0 {
		return "-"
	}
	return strconv.Itoa(int(s.Port))
}

func expiry(s xep0215.Service, now time.Time) string {
	if s.Expires.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s (%v)", s.Expires.Format(time.RFC3339), s.Expires.Sub(now).Round(time.Second))
}

// problems says why clients could not use a service.
func problems(s xep0215.Service, now time.Time) []string {
	var out []string
	if xep0215.NeedsCredentials(s.Type) && (s.Username == "" || s.Password == "") {
		out = append(out, "has no username or password; browsers refuse the whole list for it")
	}
	if s.Host == "" {
		out = append(out, "names no host")
	}
	if s.Port == 0 {
		out = append(out, "names no port; several clients drop it")
	}
	if s.Transport == "" {
		out = append(out, "names no transport; several clients drop it")
	}
	if (s.Type == xep0215.TypeTURNS || s.Type == xep0215.TypeSTUNS) && s.Transport == xep0215.TransportUDP {
		out = append(out, "is TLS over udp, which clients cannot use")
	}
	if !s.Expires.IsZero() && !s.Expires.After(now) {
		out = append(out, "has expired; is a clock wrong?")
	}
	return out
}

// serviceJSON is a service as query --json prints it.
type serviceJSON struct {
	Type       string     `json:"type"`
	Host       string     `json:"host"`
	Port       uint16     `json:"port,omitempty"`
	Transport  string     `json:"transport,omitempty"`
	Restricted bool       `json:"restricted"`
	Username   string     `json:"username,omitempty"`
	Password   string     `json:"password,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	Name       string     `json:"name,omitempty"`
	URI        string     `json:"uri,omitempty"`
}

type errorJSON struct {
	Type      string `json:"type,omitempty"`
	Condition string `json:"condition,omitempty"`
	Text      string `json:"text"`
}

type answerJSON struct {
	Namespace    string        `json:"namespace"`
	Services     []serviceJSON `json:"services,omitzero"` // empty and there for an empty list
	Error        *errorJSON    `json:"error,omitempty"`
	Milliseconds float64       `json:"milliseconds"`
}

// AnswersJSON prints the same as JSON, and what became of trying the servers.
func AnswersJSON(w io.Writer, to string, answers []query.Answer, probed []Tried) error {
	document := struct {
		Version int          `json:"version"`
		Asked   string       `json:"asked"`
		Answers []answerJSON `json:"answers"`
		Probed  []probedJSON `json:"probed,omitempty"`
	}{Version: JSONVersion, Asked: to, Probed: newProbedJSON(probed)}
	for _, a := range answers {
		out := answerJSON{Namespace: a.Namespace, Milliseconds: float64(a.Took.Microseconds()) / 1000}
		if a.Err == nil {
			out.Services = []serviceJSON{}
		} else {
			out.Error = &errorJSON{Text: query.Explain(a.Err)}
			var e stanza.Error
			if errors.As(a.Err, &e) {
				out.Error.Type, out.Error.Condition = string(e.Type), string(e.Condition)
			}
		}
		for _, s := range a.Services {
			out.Services = append(out.Services, newServiceJSON(s))
		}
		document.Answers = append(document.Answers, out)
	}
	return JSON(w, document)
}

func newServiceJSON(s xep0215.Service) serviceJSON {
	out := serviceJSON{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport, Restricted: s.Restricted,
		Username: s.Username, Password: s.Password, Name: s.Name, URI: s.URI()}
	if !s.Expires.IsZero() {
		out.Expires = &s.Expires
	}
	return out
}

// RTC prints the services of the first answer that has any, those with the
// same credential together. What a browser would refuse is left out.
func RTC(w io.Writer, answers []query.Answer) error {
	servers := []xep0215.RTCIceServer{}
	for _, a := range answers {
		if len(a.Services) > 0 {
			servers = xep0215.RTCIceServers(a.Services)
			break
		}
	}
	return JSON(w, servers)
}

package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/query"
	"extdisco/xep0215"
)

// Answers prints the answers as tables, each with what is wrong with it, and below the
// list that was pushed, if a room was joined.
func Answers(w io.Writer, to string, answers []query.Answer, push *query.Push, now time.Time) error {
	for i, a := range answers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		took := a.Took.Round(100 * time.Microsecond)
		switch {
		case errors.As(a.Err, new(stanza.Error)):
			fmt.Fprintf(w, "%s refused %s in %v: %s\n", to, a.Namespace, took, a.Explain())
		case a.Err != nil:
			fmt.Fprintf(w, "%s did not answer %s: %s\n", to, a.Namespace, a.Explain())
		case len(a.Services) == 0:
			fmt.Fprintf(w, "%s answered %s with an empty list in %v\n", to, a.Namespace, took)
		default:
			fmt.Fprintf(w, "%s answered %s with %s in %v\n", to, a.Namespace, count(len(a.Services), "service"), took)
		}
		if err := Services(w, a.Services, now); err != nil {
			return err
		}
	}
	if push == nil {
		return nil
	}
	return pushed(w, answers, push, now)
}

// pushed prints the list that was pushed, and in what it differs from the one that was
// asked for.
func pushed(w io.Writer, answers []query.Answer, push *query.Push, now time.Time) error {
	fmt.Fprintln(w)
	if len(push.Services) > 0 {
		fmt.Fprintf(w, "%s pushed %s on joining %s, in %v\n", push.From, count(len(push.Services), "service"), push.Room, push.Took.Round(time.Millisecond))
		if err := Services(w, push.Services, now); err != nil {
			return err
		}
	}
	if push.Err != nil {
		_, err := fmt.Fprintf(w, "! %v\n", push.Err)
		return err
	}
	asked := query.FirstServices(answers)
	for _, s := range missing(asked, push.Services) {
		fmt.Fprintf(w, "! %s is in the answer, but was not pushed; Jitsi Meet uses the pushed list\n", s.URI())
	}
	for _, s := range missing(push.Services, asked) {
		fmt.Fprintf(w, "! %s was pushed, but is not in the answer\n", s.URI())
	}
	return nil
}

// missing returns the services of list that other does not have.
func missing(list, other []xep0215.Service) (out []xep0215.Service) {
	for _, s := range list {
		if !slices.ContainsFunc(other, func(o xep0215.Service) bool { return o.Key() == s.Key() }) {
			out = append(out, s)
		}
	}
	return out
}

// Services prints services as a table, each with what is wrong with it.
func Services(w io.Writer, services []xep0215.Service, now time.Time) error {
	if len(services) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	named := slices.ContainsFunc(services, func(s xep0215.Service) bool { return s.Name != "" })
	head := "TYPE\tHOST\tPORT\tTRANSPORT\tUSERNAME\tPASSWORD\tEXPIRES"
	if named {
		head += "\tNAME"
	}
	fmt.Fprintln(table, head)
	for _, s := range services {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s", orDash(s.Type), orDash(s.Host), port(s), orDash(s.Transport),
			orDash(s.Username), orDash(s.Password), expiry(s, now))
		if named {
			fmt.Fprintf(table, "\t%s", orDash(s.Name))
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range services {
		for _, f := range s.Info {
			fmt.Fprintf(w, "  %s %s: %s = %s\n", orDash(s.Type), orDash(s.Host), f.Var, strings.Join(f.Values, ", "))
		}
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
	return fmt.Sprintf("%s (%s)", s.Expires.Format(time.RFC3339), fromNow(s.Expires.Sub(now)))
}

// fromNow says when something is, as people do: "in 23h59m", "5m ago".
func fromNow(d time.Duration) string {
	format := "in %s"
	if d < 0 {
		format, d = "%s ago", -d
	}
	unit := time.Second
	if d >= time.Hour {
		unit = time.Minute
	}
	text := d.Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return fmt.Sprintf(format, text)
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
	Info       []infoJSON `json:"info,omitempty"` // in the order of the answer
	URI        string     `json:"uri,omitempty"`
}

// infoJSON is a field of the extended information about a service.
type infoJSON struct {
	Var    string   `json:"var"`
	Type   string   `json:"type,omitempty"`
	Label  string   `json:"label,omitempty"`
	Values []string `json:"values"`
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

// pushJSON is a list that was pushed, as query --json prints it.
type pushJSON struct {
	Room         string        `json:"room,omitempty"`
	From         string        `json:"from,omitempty"`
	Services     []serviceJSON `json:"services"`
	Error        *errorJSON    `json:"error,omitempty"`
	Milliseconds float64       `json:"milliseconds"`
}

func newPushJSON(p *query.Push) *pushJSON {
	if p == nil {
		return nil
	}
	out := &pushJSON{Room: p.Room.String(), From: p.From, Services: []serviceJSON{}, Milliseconds: float64(p.Took.Microseconds()) / 1000}
	for _, s := range p.Services {
		out.Services = append(out.Services, newServiceJSON(s))
	}
	if p.Err != nil {
		out.Error = &errorJSON{Text: p.Err.Error()}
	}
	return out
}

// AnswersJSON prints the same as JSON, and what became of trying the servers.
func AnswersJSON(w io.Writer, to string, answers []query.Answer, push *query.Push, probed []Tried) error {
	document := struct {
		Version int          `json:"version"`
		Asked   string       `json:"asked"`
		Answers []answerJSON `json:"answers"`
		Pushed  *pushJSON    `json:"pushed,omitempty"`
		Probed  []probedJSON `json:"probed,omitempty"`
	}{Version: JSONVersion, Asked: to, Pushed: newPushJSON(push), Probed: newProbedJSON(probed)}
	for _, a := range answers {
		out := answerJSON{Namespace: a.Namespace, Milliseconds: float64(a.Took.Microseconds()) / 1000}
		if a.Err == nil {
			out.Services = []serviceJSON{}
		} else {
			out.Error = &errorJSON{Text: a.Explain()}
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
	for _, f := range s.Info {
		out.Info = append(out.Info, infoJSON{f.Var, f.Type, f.Label, append([]string{}, f.Values...)})
	}
	return out
}

// RTC prints services as an RTCIceServer list, those with the same credential together.
// What a browser would refuse is left out.
func RTC(w io.Writer, services []xep0215.Service) error {
	servers := xep0215.RTCIceServers(services)
	if servers == nil {
		servers = []xep0215.RTCIceServer{}
	}
	return JSON(w, servers)
}

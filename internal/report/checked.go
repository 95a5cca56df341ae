package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/xep0215"
)

// Checked is what became of checking a configuration.
type Checked struct {
	File     string         // its full name
	As       string         // the user in whose name files were read besides; "" for nobody
	Err      error          // [*config.Invalid], or why it could not be read
	Config   *config.Config // nil with Err
	Fetched  []Fetched      // what the providers gave, where they were asked
	Rotated  []Rotated      // what coturn's databases have, where they were asked
	Warnings config.Faults  // beside those of the configuration
}

// Fetched is what a provider gave.
type Fetched struct {
	Key      string // where it stands: "ice_server[0]"
	Provider string // its name
	Services []xep0215.Service
	Notes    []string // what of the answer was repaired or left out, and why
	Err      error
}

// Rotated is what a database has, in which a shared secret rotates.
type Rotated struct {
	Key  string    // where it stands: "ice_server[0]"
	Made time.Time // when the newest secret was made; zero for none
	Note string    // what needs attention
	Err  error
}

// faults and warnings return all that was found.
func (c Checked) faults() config.Faults {
	var invalid *config.Invalid
	if errors.As(c.Err, &invalid) {
		return invalid.Faults
	}
	return nil
}

func (c Checked) warnings() config.Faults {
	var invalid *config.Invalid
	switch {
	case errors.As(c.Err, &invalid):
		return invalid.Warnings
	case c.Config != nil:
		return slices.Concat(c.Config.Warnings, c.Warnings)
	}
	return nil
}

// Failure returns why the configuration or a provider of it cannot be used; nil when both can.
func (c Checked) Failure() error {
	if faults := c.faults(); len(faults) > 0 {
		return fmt.Errorf("%w\n%s is not valid: %s", c.Err, c.File, count(len(faults), "fault"))
	}
	failures := []error{c.Err}
	for _, f := range c.Fetched {
		if f.Err != nil {
			failures = append(failures, fmt.Errorf("%s: %s: %w", f.Key, f.Provider, f.Err))
		}
	}
	for _, r := range c.Rotated {
		if r.Err != nil {
			failures = append(failures, fmt.Errorf("%s: coturn's database: %w", r.Key, r.Err))
		}
	}
	return errors.Join(failures...)
}

// Check prints what a valid configuration says and what the providers gave, and on stderr the
// warnings. Of one that is not valid it prints nothing; see [Checked.Failure].
func Check(stdout, stderr io.Writer, c Checked, now time.Time) error {
	for _, w := range c.warnings() {
		fmt.Fprintln(stderr, "extdisco: warning: "+w.Error())
	}
	if c.Config == nil {
		return nil
	}
	headline := c.File + " is valid."
	switch n := len(c.warnings()); {
	case n == 1:
		headline = c.File + " is valid, but one thing needs attention; see the warning."
	case n > 1:
		headline = fmt.Sprintf("%s is valid, but %d things need attention; see the warnings.", c.File, n)
	}
	cfg := c.Config
	rows := components(cfg)
	if len(cfg.Access.Deny) > 0 {
		rows = append(rows, [2]string{"denies", strings.Join(cfg.Access.Deny, ", ")})
	}
	for i, offer := range offers(cfg) {
		name := ""
		if i == 0 {
			name = "offers"
		}
		rows = append(rows, [2]string{name, offer})
	}
	if n := cfg.Offer.Servers; n > 0 {
		rows = append(rows, [2]string{"gives", "each user at most " + count(n, "server") + " with TURN"})
	}
	for _, s := range cfg.ICEServers {
		if s.Rotation != nil {
			rows = append(rows, [2]string{"rotates", c.rotates(s)})
		}
	}
	if c.As != "" {
		rows = append(rows, [2]string{"read by", c.As})
	}
	fmt.Fprintln(stdout, headline)
	for _, row := range rows {
		if _, err := fmt.Fprintf(stdout, "  %-9s  %s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	for _, f := range c.Fetched {
		if f.Err != nil {
			continue // it is told with the failures
		}
		if _, err := fmt.Fprintf(stdout, "\n%s: %s gives:\n", f.Key, f.Provider); err != nil {
			return err
		}
		if err := Services(stdout, f.Services, now); err != nil {
			return err
		}
		for _, note := range f.Notes {
			if _, err := fmt.Fprintf(stdout, "  note: %s\n", note); err != nil {
				return err
			}
		}
	}
	return nil
}

// components returns what is said of the components, and who is served.
func components(cfg *config.Config) (rows [][2]string) {
	if len(cfg.Components) == 0 {
		return [][2]string{{"component", "none: a relay for credentials that are made elsewhere"}}
	}
	for _, c := range cfg.Components {
		address := c.JID + " at " + c.Server
		if c.Name != c.JID {
			address = c.Name + ": " + address
		}
		rows = append(rows, [2]string{"component", address}, [2]string{"trusts", strings.Join(c.Hosts, ", ")})
	}
	return append(rows, [2]string{"serves", strings.Join(cfg.Access.Allow, ", ")})
}

// rotates says how the secret of a server rotates.
func (c Checked) rotates(s config.ICEServer) string {
	text := fmt.Sprintf("the secret of realm %s every %s (%s)", s.Rotation.Realm, config.FormatDuration(s.Rotation.Every), s.Key)
	for _, r := range c.Rotated {
		switch {
		case r.Key != s.Key || r.Err != nil: // errors are told with the failures
		case r.Made.IsZero():
			text += "; the database has none of ours yet"
		default:
			text += "; the newest is of " + r.Made.UTC().Format(time.RFC3339)
		}
		if r.Key == s.Key && r.Note != "" {
			text += "; " + r.Note
		}
	}
	return text
}

// offers returns what stands in answers, in their order.
func offers(cfg *config.Config) []string {
	var offers []string
	for _, service := range cfg.Relay.Services() {
		offers = append(offers, service.URI())
	}
	for _, s := range cfg.ICEServers {
		if s.Provider != nil {
			offers = append(offers, "what "+s.Provider.Name+" gives ("+s.Key+")")
		}
		for _, service := range s.Services {
			offers = append(offers, service.URI())
		}
	}
	return offers
}

// checkedJSON is a configuration as check --json prints it. No secrets are in it but the credentials
// that providers gave.
type checkedJSON struct {
	Version    int             `json:"version"`
	File       string          `json:"file"`
	Valid      bool            `json:"valid"`
	ReadBy     string          `json:"read_by,omitempty"`
	Error      string          `json:"error,omitempty"` // why the file could not be read
	Faults     config.Faults   `json:"faults"`
	Warnings   config.Faults   `json:"warnings"`
	Components []componentJSON `json:"components,omitempty"`
	Allow      []string        `json:"allow,omitempty"`
	Deny       []string        `json:"deny,omitempty"`
	Offers     []string        `json:"offers,omitempty"`
	Servers    int             `json:"servers,omitempty"` // with TURN that each user is given at most; 0 for all
	Fetched    []fetchedJSON   `json:"fetched,omitempty"`
	Rotates    []rotatedJSON   `json:"rotates,omitempty"`
}

type componentJSON struct {
	Name   string   `json:"name"`
	JID    string   `json:"jid"`
	Server string   `json:"server"`
	Hosts  []string `json:"hosts"`
}

type rotatedJSON struct {
	Key   string     `json:"key"`
	Realm string     `json:"realm"`
	Every string     `json:"every"`
	Made  *time.Time `json:"made,omitempty"` // when the newest secret was made, where the database was asked
	Note  string     `json:"note,omitempty"`
	Error string     `json:"error,omitempty"`
}

type fetchedJSON struct {
	Key      string        `json:"key"`
	Provider string        `json:"provider"`
	Error    string        `json:"error,omitempty"`
	Services []serviceJSON `json:"services,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
}

// CheckedJSON prints the same as JSON.
func CheckedJSON(w io.Writer, c Checked) error {
	out := checkedJSON{Version: JSONVersion, File: c.File, Valid: c.Err == nil, ReadBy: c.As, Faults: config.Faults{}, Warnings: config.Faults{}}
	if out.Faults = append(out.Faults, c.faults()...); len(out.Faults) == 0 && c.Err != nil {
		out.Error = c.Err.Error()
	}
	out.Warnings = append(out.Warnings, c.warnings()...)
	if cfg := c.Config; cfg != nil {
		for _, c := range cfg.Components {
			out.Components = append(out.Components, componentJSON{Name: c.Name, JID: c.JID, Server: c.Server, Hosts: c.Hosts})
		}
		out.Allow, out.Deny, out.Offers, out.Servers = cfg.Access.Allow, cfg.Access.Deny, offers(cfg), cfg.Offer.Servers
	}
	for _, f := range c.Fetched {
		j := fetchedJSON{Key: f.Key, Provider: f.Provider, Notes: f.Notes}
		if f.Err != nil {
			j.Error = f.Err.Error()
		}
		for _, s := range f.Services {
			j.Services = append(j.Services, newServiceJSON(s))
		}
		out.Fetched = append(out.Fetched, j)
	}
	if c.Config != nil {
		out.Rotates = c.rotatesJSON()
	}
	return JSON(w, out)
}

func (c Checked) rotatesJSON() []rotatedJSON {
	var list []rotatedJSON
	for _, s := range c.Config.ICEServers {
		if s.Rotation == nil {
			continue
		}
		j := rotatedJSON{Key: s.Key, Realm: s.Rotation.Realm, Every: config.FormatDuration(s.Rotation.Every)}
		for _, r := range c.Rotated {
			if r.Key != s.Key {
				continue
			}
			if j.Note = r.Note; r.Err != nil {
				j.Error = r.Err.Error()
			} else if !r.Made.IsZero() {
				made := r.Made.UTC()
				j.Made = &made
			}
		}
		list = append(list, j)
	}
	return list
}

// count returns a number with its noun: 1 fault, 2 faults.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

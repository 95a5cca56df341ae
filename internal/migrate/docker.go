package migrate

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/xep0215"
)

// dockerVariable finds the variables of docker-jitsi-meet's .env about TURN, in that form and
// in the forms of docker-compose.yml.
var dockerVariable = regexp.MustCompile(`(?m)^[ \t]*(?:-[ \t]+)?(?:export[ \t]+)?["']?(?:TURNS?_(?:HOST|PORT|TRANSPORT|CREDENTIALS|USERNAME|PASSWORD|TTL)|STUN_(?:HOST|PORT))[ \t]*[=:]`)

var (
	envLine = regexp.MustCompile(`^\s*(?:-\s+)?(?:export\s+)?(["']?)([A-Za-z_][A-Za-z0-9_]*)\s*(=|:\s)(.*)$`)
	// envReference finds $NAME, ${NAME} and ${NAME:-DEFAULT}.
	envReference = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+]([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)
)

// Variable is a line of an .env file that sets a variable.
type Variable struct {
	Name     string
	Value    string
	Line     int  // from 1
	Computed bool // it names a variable that is set elsewhere
}

// ReadEnv returns the variables of an .env file, in order. One may be set again.
func ReadEnv(text string) []Variable {
	var variables []Variable
	known := map[string]Variable{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		found := envLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if found == nil {
			continue
		}
		v := readEnvValue(found[4], found[1], known)
		v.Name, v.Line = found[2], number
		known[v.Name] = v
		variables = append(variables, v)
	}
	return variables
}

// maxReferred bounds what a reference stands for, so that values do not grow without end.
const maxReferred = 1024

// readEnvValue reads what stands behind the equals sign. The quote is that before the name.
func readEnvValue(text, quote string, known map[string]Variable) Variable {
	text = strings.TrimSpace(text)
	if quote != "" { // - "NAME=VALUE"
		text, _, _ = strings.Cut(text, quote)
	} else if text != "" && (text[0] == '"' || text[0] == '\'') {
		quote = text[:1]
		if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
			text = text[1 : 1+end]
		}
	} else {
		text = strings.TrimSpace(commentBehind.ReplaceAllString(text, ""))
	}
	v := Variable{Value: text}
	if quote == "'" {
		return v
	}
	v.Value = envReference.ReplaceAllStringFunc(text, func(reference string) string {
		if v.Computed {
			return reference
		}
		found := envReference.FindStringSubmatch(reference)
		referred := known[found[1]+found[3]]
		switch {
		case referred.Value != "" && len(referred.Value) <= maxReferred:
			v.Computed = referred.Computed
			return referred.Value
		case found[2] != "" && strings.Contains(reference, "-"):
			return found[2]
		}
		v.Computed = true
		return reference
	})
	return v
}

var commentBehind = regexp.MustCompile(`(?:^|[ \t])#.*$`)

// dockerReader reads the variables of docker-jitsi-meet.
type dockerReader struct {
	list   *List
	values map[string]Variable
}

// readDocker adds the servers that docker-jitsi-meet hands to Prosody for these variables.
func readDocker(text string, list *List) {
	d := &dockerReader{list: list, values: map[string]Variable{}}
	for _, v := range ReadEnv(text) {
		d.values[v.Name] = v
	}
	c := d.credential()
	for _, host := range d.each("STUN_HOST") {
		d.add("STUN_HOST", xep0215.TypeSTUN, host, d.port("STUN_PORT"), "", c)
	}
	transports := d.each("TURN_TRANSPORT")
	if len(transports) == 0 {
		transports = []string{xep0215.TransportTCP} // the default of the image
	}
	if len(transports) > maxTransports {
		d.list.note(d.values["TURN_TRANSPORT"].Line, "TURN_TRANSPORT has more than %d transports; only the first are used", maxTransports)
		transports = transports[:maxTransports]
	}
	for _, host := range d.each("TURN_HOST") {
		for _, transport := range transports {
			d.add("TURN_HOST", xep0215.TypeTURN, host, d.port("TURN_PORT"), transport, c)
		}
	}
	for _, host := range d.each("TURNS_HOST") {
		d.add("TURNS_HOST", xep0215.TypeTURNS, host, d.port("TURNS_PORT"), xep0215.TransportTCP, c)
	}
}

func (d *dockerReader) add(name, serviceType, host, port, transport string, c Credential) {
	d.list.add(d.values[name].Line, name, serviceURI(serviceType, host, port, transport), c)
}

// each returns the parts of a list with commas.
func (d *dockerReader) each(name string) []string {
	v := d.values[name]
	if v.Computed {
		d.list.note(v.Line, "%s names a variable that is not set in this file, and is ignored", name)
		return nil
	}
	var parts []string
	for _, part := range strings.FieldsFunc(v.Value, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(parts, part) && len(parts) < maxParts {
			parts = append(parts, part)
		}
	}
	return parts
}

// maxTransports is more than there are.
const maxTransports = 4

// maxParts is far more than a list of hosts has.
const maxParts = 1000

// port returns a port as it stands, or the default of the image.
func (d *dockerReader) port(name string) string {
	if v := d.values[name]; v.Value != "" && !v.Computed {
		return v.Value
	}
	return "443"
}

func (d *dockerReader) credential() Credential {
	shared, username, password := d.values["TURN_CREDENTIALS"], d.values["TURN_USERNAME"], d.values["TURN_PASSWORD"]
	switch {
	case shared.Value != "":
		c := sharedSecret(shared.Value, shared.Line, d.ttl())
		if shared.Computed {
			c = c.computed(shared.Value, shared.Line)
		}
		if username.Value != "" {
			d.list.note(username.Line, "TURN_USERNAME is ignored beside TURN_CREDENTIALS: extdisco uses a pseudonym of the user")
		}
		return c
	case username.Value == "" && password.Value == "":
		return Credential{missing: "neither TURN_CREDENTIALS nor TURN_USERNAME and TURN_PASSWORD are set"}
	}
	return entryCredential(username.Line, map[string]raw{"username": username.raw(), "password": password.raw()})
}

func (v Variable) raw() raw {
	switch {
	case v.Computed:
		return raw{kind: rawCode, text: v.Value, line: v.Line}
	case v.Value == "":
		return raw{}
	}
	return raw{kind: rawText, text: v.Value, line: v.Line}
}

func (d *dockerReader) ttl() time.Duration {
	v := d.values["TURN_TTL"]
	if v.Value == "" {
		return config.DefaultTTL
	}
	seconds, err := strconv.ParseUint(v.Value, 10, 32)
	if err != nil || seconds == 0 || seconds > math.MaxInt32 {
		d.list.note(v.Line, "TURN_TTL is not a number of seconds; %s is used instead", config.FormatDuration(config.DefaultTTL))
		return config.DefaultTTL
	}
	return time.Duration(seconds) * time.Second
}

package setup

import (
	"fmt"
	"strings"
)

// envLine is a line of docker's .env that sets a variable.
type envLine struct {
	line  int // from 0
	name  string
	value string
}

// readEnv reads a .env as docker compose does, as far as setup needs it: NAME=VALUE, with
// or without quotes around the value.
func readEnv(text string) []envLine {
	var env []envLine
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		env = append(env, envLine{line: i, name: name, value: envValue(strings.TrimSpace(value))})
	}
	return env
}

func envValue(value string) string {
	if value == "" {
		return ""
	}
	if quote := value[:1]; quote == `"` || quote == "'" {
		if end := strings.Index(value[1:], quote); end >= 0 {
			return value[1 : 1+end]
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return strings.TrimSpace(value)
}

// envGet returns the value of a variable, the last one that is set, or a default.
func envGet(env []envLine, name, otherwise string) string {
	for _, e := range env {
		if e.name == name && e.value != "" {
			otherwise = e.value
		}
	}
	return otherwise
}

// oldEnv are the variables that make the list of the images' Prosody.
var oldEnv = []string{"STUN_HOST", "STUN_PORT", "TURN_HOST", "TURN_PORT", "TURN_TRANSPORT", "TURN_TTL", "TURN_CREDENTIALS",
	"TURN_USERNAME", "TURN_PASSWORD", "TURNS_HOST", "TURNS_PORT"}

// envList writes the variables as the list that the images' Prosody makes of them. It is
// empty when they name no server.
func envList(env []envLine) (string, error) {
	get := func(name, otherwise string) string { return envGet(env, name, otherwise) }
	for _, name := range oldEnv {
		if strings.Contains(get(name, ""), "$") {
			return "", fmt.Errorf("%s in .env refers to another variable; write its value instead", name)
		}
	}
	var b strings.Builder
	if secret := get("TURN_CREDENTIALS", ""); secret != "" {
		fmt.Fprintf(&b, "external_service_secret = %s\n", quoteLua(secret))
	}
	credential := ""
	if get("TURN_CREDENTIALS", "") != "" {
		credential = `, secret = true, algorithm = "turn"`
	}
	if user, password := get("TURN_USERNAME", ""), get("TURN_PASSWORD", ""); user != "" && credential == "" {
		credential = fmt.Sprintf(", username = %s, password = %s", quoteLua(user), quoteLua(password))
	}
	credential += ", ttl = " + get("TURN_TTL", "86400")
	b.WriteString("external_services = {\n")
	any := false
	add := func(kind, hosts, port, transports, more string) {
		for _, host := range splitComma(hosts) {
			for _, transport := range splitComma(transports) {
				any = true
				fmt.Fprintf(&b, "{ type = %q, host = %s, port = %s, transport = %s%s },\n", kind, quoteLua(host), port, quoteLua(transport), more)
			}
		}
	}
	add("stun", get("STUN_HOST", ""), get("STUN_PORT", "443"), "udp", "")
	add("turn", get("TURN_HOST", ""), get("TURN_PORT", "443"), get("TURN_TRANSPORT", "tcp"), credential)
	add("turns", get("TURNS_HOST", ""), get("TURNS_PORT", "443"), "tcp", credential)
	b.WriteString("}\n")
	if !any {
		return "", nil
	}
	return b.String(), nil
}

func splitComma(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

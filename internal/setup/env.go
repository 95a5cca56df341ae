package setup

import "strings"

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

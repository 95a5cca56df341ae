package setup

import "extdisco/internal/migrate"

// envGet returns the value of a variable of .env, the last one that is set, or a default.
func envGet(env []migrate.Variable, name, otherwise string) string {
	for _, v := range env {
		if v.Name == name && v.Value != "" {
			otherwise = v.Value
		}
	}
	return otherwise
}

// oldEnv are the variables that make the list of the images' Prosody.
var oldEnv = []string{"STUN_HOST", "STUN_PORT", "TURN_HOST", "TURN_PORT", "TURN_TRANSPORT", "TURN_TTL", "TURN_CREDENTIALS",
	"TURN_USERNAME", "TURN_PASSWORD", "TURNS_HOST", "TURNS_PORT"}

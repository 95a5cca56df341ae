package report

import (
	"encoding/json"
	"io"
)

// Version is the version of what is printed as JSON. It changes when a key changes its
// meaning or goes; keys may be added.
const Version = 1

// JSON prints a value as indented JSON.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

package report

import (
	"encoding/json"
	"io"
)

// JSONVersion is the value of "version" in the objects that commands print with --json. It changes
// when a field changes its meaning or goes; new fields may come at any time.
const JSONVersion = 1

// JSON prints a value as indented JSON.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"extdisco/xep0215"
)

// Bounds of extended information. It goes into every answer, once for each service.
const (
	maxInfoFields = 20
	maxInfoValues = 20
)

// formType is the field that names the protocol that a form follows. XEP-0068.
const formType = "FORM_TYPE"

// readInfo reads the extended information about services (XEP-0215 §3.4): a table of texts, or
// lists of texts, by the name of the field.
func readInfo(t *table) []xep0215.Field {
	v, ok := t.value("info")
	if !ok {
		return nil
	}
	values, isTable := v.(map[string]any)
	switch {
	case !isTable:
		t.fault("info", "is %s; write a table, such as { region = \"eu\" }", kindOf(v))
		return nil
	case len(values) == 0:
		t.fault("info", "is an empty table; write { NAME = \"text\" }, or remove it")
	case len(values) > maxInfoFields:
		t.fault("info", "has %d fields, which go into every answer; keep at most %d", len(values), maxInfoFields)
	}
	var fields []xep0215.Field
	for _, name := range slices.SortedFunc(maps.Keys(values), formTypeFirst) {
		checkLabel(t, "info", name)
		f := xep0215.Field{Var: name, Values: readInfoValues(t, values[name])}
		switch {
		case name == formType:
			f.Type = "hidden"
		case len(f.Values) > 1:
			f.Type = "text-multi"
		}
		fields = append(fields, f)
	}
	return fields
}

func readInfoValues(t *table, v any) []string {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	if len(list) == 0 || len(list) > maxInfoValues {
		t.fault("info", "has a field with %s; write 1 to %d", count(len(list), "text"), maxInfoValues)
	}
	var texts []string
	for i, entry := range list {
		text, isText := entry.(string)
		if !isText || strings.TrimSpace(text) == "" {
			t.fault("info", "has a value that is not a string; put each in quotes")
			continue
		}
		checkLabel(t, fmt.Sprintf("info[%d]", i), text)
		texts = append(texts, text)
	}
	return texts
}

// formTypeFirst orders the names of fields, FORM_TYPE before all others.
func formTypeFirst(a, b string) int {
	switch {
	case a == formType:
		return -1
	case b == formType:
		return 1
	}
	return strings.Compare(a, b)
}

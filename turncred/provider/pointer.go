package provider

import (
	"fmt"
	"strconv"
	"strings"
)

// Pointers are JSON Pointers (RFC 6901) into an answer of an unusual shape. An
// empty one leaves that part to be found.
type Pointers struct {
	Servers, Username, Password, TTL, Expires string
}

// pointer evaluates a JSON Pointer. RFC 6901 §4.
func pointer(document any, path string) (any, error) {
	value := document
	rest := path
	for rest != "" {
		token := strings.TrimPrefix(rest, "/")
		if token == rest {
			return nil, fmt.Errorf("%q is not a JSON pointer; it begins with /", path)
		}
		token, after, more := strings.Cut(token, "/")
		if rest = ""; more {
			rest = "/" + after
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[token]
			if !ok {
				return nil, fmt.Errorf("the answer has nothing at %s", path)
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return nil, fmt.Errorf("the answer has nothing at %s", path)
			}
			value = v[i]
		default:
			return nil, fmt.Errorf("the answer has nothing at %s", path)
		}
	}
	return value, nil
}

package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// yamlNode is a node of a YAML document. The zero value stands for one that is not there.
type yamlNode struct{ node *yaml.Node }

var yamlLine = regexp.MustCompile(`line ([0-9]+)`)

// readYAML returns the first document. The error quotes nothing of it.
func readYAML(text string) (yamlNode, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		where := ""
		if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
			where = "line " + found[1] + ": "
		}
		return yamlNode{}, errors.New(where + "it is not valid YAML; check indentation and quotes")
	}
	if len(document.Content) == 0 {
		return yamlNode{}, nil
	}
	return yamlNode{document.Content[0]}.resolved(), nil
}

// resolved follows an alias.
func (n yamlNode) resolved() yamlNode {
	for n.node != nil && n.node.Kind == yaml.AliasNode {
		n.node = n.node.Alias
	}
	return n
}

func (n yamlNode) line() int {
	if n.node == nil {
		return 1
	}
	return max(n.node.Line, 1)
}

// isSet reports whether there is a value other than null.
func (n yamlNode) isSet() bool {
	return n.node != nil && !(n.node.Kind == yaml.ScalarNode && n.node.ShortTag() == "!!null")
}

// get returns the value of a key. The last one counts.
func (n yamlNode) get(key string) yamlNode {
	if n.node == nil || n.node.Kind != yaml.MappingNode {
		return yamlNode{}
	}
	for i := len(n.node.Content) - 2; i >= 0; i -= 2 {
		if n.node.Content[i].Value == key {
			return yamlNode{n.node.Content[i+1]}.resolved()
		}
	}
	return yamlNode{}
}

// items returns the elements of a list; a single value is a list of one.
func (n yamlNode) items() []yamlNode {
	switch {
	case !n.isSet():
		return nil
	case n.node.Kind != yaml.SequenceNode:
		return []yamlNode{n}
	}
	var items []yamlNode
	for _, c := range n.node.Content {
		items = append(items, yamlNode{c}.resolved())
	}
	return items
}

// entries calls f for each key of a mapping, or of a list of mappings.
func (n yamlNode) entries(f func(key string, value yamlNode)) {
	for _, m := range n.items() {
		if m.node.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(m.node.Content); i += 2 {
			f(m.node.Content[i].Value, yamlNode{m.node.Content[i+1]}.resolved())
		}
	}
}

// text returns a scalar as text, or "".
func (n yamlNode) text() string {
	if !n.isSet() || n.node.Kind != yaml.ScalarNode {
		return ""
	}
	return n.node.Value
}

// isTrue reads a switch.
func (n yamlNode) isTrue(otherwise bool) bool {
	var yes bool
	if !n.isSet() || n.node.Kind != yaml.ScalarNode || n.node.Decode(&yes) != nil {
		return otherwise
	}
	return yes
}

var durationText = regexp.MustCompile(`^\s*([0-9]{1,9})\s*([a-zA-Z]*)\s*$`)

// parseDuration reads a duration as ejabberd and Synapse write it: a number of the unit, or
// with a unit of its own, such as "12 hours" or "1d".
func parseDuration(text string, unit time.Duration) (time.Duration, error) {
	found := durationText.FindStringSubmatch(text)
	if found == nil {
		return 0, errors.New("is not a duration")
	}
	number, _ := strconv.ParseInt(found[1], 10, 64) // nine digits
	const day = 24 * time.Hour
	units := map[string]time.Duration{
		"": unit, "ms": time.Millisecond, "millisecond": time.Millisecond,
		"s": time.Second, "sec": time.Second, "second": time.Second,
		"m": time.Minute, "min": time.Minute, "minute": time.Minute,
		"h": time.Hour, "hour": time.Hour, "d": day, "day": day, "w": 7 * day, "week": 7 * day, "y": 365 * day, "year": 365 * day,
	}
	name := strings.ToLower(found[2])
	if _, known := units[name]; !known {
		name = strings.TrimSuffix(name, "s")
	}
	u, known := units[name]
	if !known {
		return 0, errors.New("is not a duration")
	}
	d := time.Duration(number) * u
	if number == 0 || d/u != time.Duration(number) || d > maxTTL || d < time.Second {
		return 0, fmt.Errorf("is not between 1s and %d years", maxTTL/(365*day))
	}
	return d.Truncate(time.Second), nil
}

const maxTTL = 10 * 365 * 24 * time.Hour

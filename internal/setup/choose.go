package setup

import (
	"fmt"
	"strings"

	"extdisco/internal/config"
)

// ChooseComponent returns the component of a configuration with a name. An empty name stands for the only component that
// there is.
func ChooseComponent(c *config.Config, name string) (config.Component, error) {
	var names []string
	for _, one := range c.Components {
		if one.Name == name || name == "" && len(c.Components) == 1 {
			return one, nil
		}
		names = append(names, one.Name)
	}
	switch list := strings.Join(names, ", "); {
	case len(names) == 0:
		return config.Component{}, fmt.Errorf("%s has no [component], so there is nothing for an XMPP server to know", c.File)
	case name == "":
		return config.Component{}, fmt.Errorf("%s has several components; name one with --link NAME: %s", c.File, list)
	default:
		return config.Component{}, fmt.Errorf("%s has no component with the name %s; the names are: %s", c.File, name, list)
	}
}

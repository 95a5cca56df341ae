package component

import (
	"cmp"
	"strings"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/xmltext"
)

// disco holds the answers to service discovery (XEP-0030), which never change.
type disco struct {
	info    string            // for the component itself
	nested  map[string]string // by node, for the server that delegates (XEP-0355 §4.6)
	version string            // XEP-0092
}

func newDisco(cfg Config) disco {
	var info strings.Builder
	info.WriteString("<query xmlns='" + nsInfo + "'><identity category='component' type='generic' name='")
	info.Write(xmltext.AppendAttr(nil, cmp.Or(cfg.ServiceName, cfg.Name)))
	info.WriteString("'/>")
	nested := map[string]string{}
	for _, n := range cfg.Namespaces {
		if n.HostsOnly {
			continue
		}
		feature := "<feature var='" + string(xmltext.AppendAttr(nil, n.NS)) + "'/>"
		info.WriteString(feature)
		for _, delegation := range delegationNamespaces {
			// The server merges what it gets into its own discovery: the
			// feature belongs there, our identity does not.
			addNested(nested, delegation+"::"+n.NS, feature)
			addNested(nested, delegation+":bare:"+n.NS, "")
		}
	}
	for _, ns := range []string{nsInfo, nsPing, nsVersion} {
		info.WriteString("<feature var='" + ns + "'/>")
	}
	info.WriteString("</query>")
	version := "<query xmlns='" + nsVersion + "'><name>" + string(xmltext.AppendAttr(nil, cfg.Name)) +
		"</name><version>" + string(xmltext.AppendAttr(nil, cfg.Version)) + "</version></query>"
	return disco{info: info.String(), nested: nested, version: version}
}

// addNested echoes the node: Prosody objects to an answer without it.
func addNested(nested map[string]string, node, features string) {
	escaped := string(xmltext.AppendAttr(nil, node))
	nested[node] = "<query xmlns='" + nsInfo + "' node='" + escaped + "'>" + features + "</query>"
}

// appendInfo answers a query of disco#info about a node, or about the component
// itself if that is empty.
func (d disco) appendInfo(dst []byte, node string) ([]byte, error) {
	if node == "" {
		return append(dst, d.info...), nil
	}
	answer, known := d.nested[node]
	if !known {
		return dst, stanzaError(stanza.Cancel, stanza.ItemNotFound, "")
	}
	return append(dst, answer...), nil
}

// appendItems answers a query of disco#items: a component has no items, which
// XEP-0030 §4.1 says with an empty element.
func appendItems(dst []byte, node string) ([]byte, error) {
	if node != "" {
		return dst, stanzaError(stanza.Cancel, stanza.ItemNotFound, "")
	}
	return append(dst, "<query xmlns='"+nsItems+"'/>"...), nil
}

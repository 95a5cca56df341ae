package config

import (
	"regexp"
	"slices"
	"strings"
)

// stranger is a key that its table does not know.
type stranger struct {
	table string // "component", "ice_server", …; "" at the top
	path  string // of the table, with its index
	name  string
	known []string // what the table knows
}

// unknown notes the keys that nobody asked for.
func (t *table) unknown() {
	kind := lastIndex.ReplaceAllString(t.path, "")
	for name := range t.values {
		if !slices.Contains(t.asked, name) {
			t.r.strangers = append(t.r.strangers, stranger{kind, t.path, name, t.asked})
		}
	}
}

// reportStrangers reports the unknown keys, with the table that they belong to or the key that was
// meant, where that can be told.
func (r *reader) reportStrangers() {
	if len(r.strangers) == 0 {
		return
	}
	slices.SortFunc(r.strangers, func(a, b stranger) int { return strings.Compare(joinKey(a.path, a.name), joinKey(b.path, b.name)) })
	all := vocabulary()
	for _, s := range r.strangers {
		path := joinKey(s.path, s.name)
		fault := r.at(path, "%s", s.cure(r, all))
		if !isPlainName(s.name) && !slices.ContainsFunc(s.known, func(known string) bool { return strings.EqualFold(known, s.name) }) {
			fault.Key = s.path // a name may be a secret, too
		}
		r.faults = append(r.faults, fault)
	}
}

func (s stranger) cure(r *reader, all map[string][]string) string {
	for _, meant := range otherNames[s.name] {
		if slices.Contains(s.known, meant) {
			return "unknown key; did you mean " + meant + "?"
		}
	}
	if slices.Contains(all[s.table], s.name) {
		return "unknown key; it requires " + s.needs(all)
	}
	for _, table := range tableNames {
		if table != s.table && table != "" && slices.Contains(all[table], s.name) {
			return "unknown key; it belongs to " + header(table) + r.direction(table, joinKey(s.path, s.name))
		}
	}
	if hint := didYouMean(s.name, s.known); hint != "" {
		return "unknown key" + hint
	}
	where := "at the top"
	if s.table != "" {
		where = "in " + header(s.table)
	}
	return "unknown key; known " + where + ": " + strings.Join(s.known, ", ")
}

// needs says which other value of provider knows the key.
func (s stranger) needs(all map[string][]string) string {
	var with []string
	for _, name := range providerNames {
		if slices.Contains(all["provider "+name], s.name) {
			with = append(with, `provider = "`+name+`"`)
		}
	}
	if slices.Contains(all["provider"], s.name) || len(with) == 0 {
		with = append(with, "no provider")
	}
	return strings.Join(with, " or ")
}

// direction says where the table stands from a key, if it is there.
func (r *reader) direction(table, key string) string {
	at, from := r.lines[table], r.lines.line(key)
	switch {
	case at == 0 || from == 0:
		return ""
	case at < from:
		return ", above"
	}
	return ", below"
}

// header returns the header of a table.
func header(table string) string {
	if slices.Contains(arrays, table) {
		return "[[" + table + "]]"
	}
	return "[" + table + "]"
}

// tableNames are the tables of a configuration; "" is the document. arrays are those that can be
// given more than once.
var (
	tableNames = []string{"", "component", "access", "ice_server", "offer", "limits", "probe", "http", "rest_client", "log", "relay", "relay.limits"}
	arrays     = []string{"ice_server", "rest_client"}
)

// otherNames are what keys are called elsewhere.
var otherNames = map[string][]string{
	"component_secret": {"secret"}, "component_secret_file": {"secret_file"}, "handshake_secret": {"secret"}, "shared_secret": {"secret"},
	"static-auth-secret": {"secret"}, "static_auth_secret": {"secret"}, "password": {"secret"}, "credential": {"password"}, "credentials": {"password"},
	"address": {"jid", "listen", "urls"}, "domain": {"jid"}, "component": {"jid"}, "host": {"urls", "server", "listen"}, "port": {"urls", "server", "listen"},
	"url": {"urls"}, "uri": {"urls"}, "uris": {"urls"}, "user": {"username"}, "bind": {"listen"},
	"lifetime": {"ttl"}, "expires": {"ttl"}, "expiry": {"ttl"}, "vhosts": {"hosts"}, "domains": {"hosts", "allow"}, "block": {"deny"}, "server": {"servers"},
}

// vocabulary returns the keys that each table knows, as its reader asks for them in an empty table;
// under "provider NAME" those of each provider, under "provider" those of a server of one's own.
func vocabulary() map[string][]string {
	known := map[string][]string{}
	read := func(values map[string]any) *reader {
		for _, table := range tableNames[1:] {
			if _, there := values[table]; there {
				continue
			}
			empty := map[string]any{"\x00": true}
			if parent, inner, isInner := strings.Cut(table, "."); isInner {
				values[parent].(map[string]any)[inner] = empty
				continue
			}
			if slices.Contains(arrays, table) {
				values[table] = []map[string]any{empty}
			} else {
				values[table] = empty
			}
		}
		values["\x00"] = true
		r := &reader{}
		readAll(&table{r: r, values: values})
		return r
	}
	for _, s := range read(map[string]any{}).strangers {
		known[s.table] = s.known
	}
	known["provider"] = slices.Clone(known["ice_server"])
	for _, name := range providerNames {
		server := map[string]any{"provider": name, "\x00": true}
		for _, s := range read(map[string]any{"ice_server": []map[string]any{server}}).strangers {
			if s.table == "ice_server" {
				known["provider "+name] = s.known
				known["ice_server"] = append(known["ice_server"], s.known...)
			}
		}
	}
	return known
}

// plainName is a name as keys and headers have it: words of letters. What else stands in the place
// of a name may be a secret.
var plainName = regexp.MustCompile(`^[A-Za-z][a-z]*(?:[_-][A-Za-z][a-z]*){0,6}$`)

// isPlainName reports whether a name of a key can be shown.
func isPlainName(name string) bool { return len(name) <= 32 && plainName.MatchString(name) }

// didYouMean returns "; did you mean X?" for the choice that s is nearly the same as, or "".
func didYouMean(s string, choices []string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
	}
	best, distance := "", 3
	for _, choice := range choices {
		d := edits(plain(s), plain(choice))
		if d < distance && d < len(plain(choice))/2+len(plain(choice))%2 {
			best, distance = choice, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits returns how many letters must be changed, added, taken away or swapped with their
// neighbour to get from a to b.
func edits(a, b string) int {
	if max(len(a), len(b)) > 64 {
		return 64
	}
	before, previous := []int{}, make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, previous[j+1]+1, previous[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}

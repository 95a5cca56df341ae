package migrate

import (
	"fmt"
	"strings"

	"extdisco/internal/config"
	"extdisco/internal/secret"
)

// TOML returns the list as [[ice_server]] tables, with the secrets in it or with
// the names of files for them.
func (l *List) TOML(inline bool) string {
	var b strings.Builder
	if len(l.Notes) > 0 {
		b.WriteString("# Left out, changed, or in need of a look:\n")
		for _, n := range l.Notes {
			b.WriteString("#   " + n + "\n")
		}
		b.WriteString("\n")
	}
	w := secretWriter{Builder: &b, inline: inline, explained: map[string]bool{}}
	secretFiles, passwordFiles := l.fileNames()
	for i, s := range l.Servers {
		if i > 0 {
			b.WriteString("\n")
		}
		writeURIs(&b, s.URIs)
		switch c := s.credential; {
		case !c.sharedSecret.IsEmpty():
			w.write("secret", "the shared secret of "+c.where, c.sharedSecret, secretFiles)
			if c.ttl != config.DefaultTTL {
				fmt.Fprintf(&b, "ttl = %s\n", quoteTOML(config.FormatDuration(c.ttl)))
			}
		case c.username != "":
			if warning := s.Warning(); warning != "" {
				b.WriteString("# Careful: " + warning + "\n")
			}
			fmt.Fprintf(&b, "username = %s\n", quoteTOML(c.username))
			w.write("password", "the password of "+c.where, c.password, passwordFiles)
		}
	}
	return b.String()
}

func writeURIs(b *strings.Builder, uris []string) {
	b.WriteString("[[ice_server]]\n")
	if len(uris) == 1 {
		fmt.Fprintf(b, "urls = [%s]\n", quoteTOML(uris[0]))
		return
	}
	b.WriteString("urls = [\n")
	for _, uri := range uris {
		fmt.Fprintf(b, "  %s,\n", quoteTOML(uri))
	}
	b.WriteString("]\n")
}

// secretWriter writes secrets, or names files for them.
type secretWriter struct {
	*strings.Builder
	inline    bool
	explained map[string]bool // files of which it is said what belongs into them
}

func (w secretWriter) write(key, what string, value secret.Secret, files map[string]string) {
	if w.inline {
		fmt.Fprintf(w, "%s = %s\n", key, quoteTOML(value.Reveal()))
		return
	}
	file := files[value.Reveal()]
	if !w.explained[file] {
		fmt.Fprintf(w, "# Write %s into this file, and let nobody else read it: chmod 600 %s\n", what, file)
		w.explained[file] = true
	}
	fmt.Fprintf(w, "%s_file = %s\n", key, quoteTOML(file))
}

// fileNames returns the names of the files, by what belongs into them.
func (l *List) fileNames() (secretFiles, passwordFiles map[string]string) {
	var secrets, passwords []secret.Secret
	for _, s := range l.Servers {
		secrets, passwords = append(secrets, s.credential.sharedSecret), append(passwords, s.credential.password)
	}
	return nameFiles("secret", secrets), nameFiles("password", passwords)
}

// nameFiles names a file for each value: turn.KIND, or turn-NUMBER.KIND when
// there are several.
func nameFiles(kind string, values []secret.Secret) map[string]string {
	files := map[string]string{}
	var order []string
	for _, v := range values {
		if _, known := files[v.Reveal()]; !known && !v.IsEmpty() {
			files[v.Reveal()] = "turn." + kind
			order = append(order, v.Reveal())
		}
	}
	if len(order) > 1 {
		for i, v := range order {
			files[v] = fmt.Sprintf("turn-%d.%s", i+1, kind)
		}
	}
	return files
}

// quoteTOML returns a TOML basic string. The text has to be valid UTF-8.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == '\x7f':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

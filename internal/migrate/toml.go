package migrate

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
)

// Secrets says where the secrets of a list go.
type Secrets struct {
	Inline bool   // into the TOML itself
	Dir    string // otherwise the folder of their files, as the configuration names it; may be empty
	Stored bool   // the files are there already
}

// SecretFile is a file that the TOML of a list names.
type SecretFile struct {
	Name  string        // without a folder, such as turn.secret
	Value secret.Secret // empty when what was read does not show it
	What  string        // what belongs in it: "the shared secret in line 3", "the password (computed in line 4)"
}

// SecretFiles returns the files that the TOML names for secrets, one for each secret, in the
// order in which they are named.
func (l *List) SecretFiles() []SecretFile {
	files, _ := l.nameFiles()
	return files
}

// nameFiles names a file for each secret, turn.secret or turn.password, or with numbers when
// there are several, and returns for each server the index of its file, or -1.
func (l *List) nameFiles() ([]SecretFile, []int) {
	var files []SecretFile
	var ofServer []int
	known, count := map[string]int{}, map[string]int{}
	for _, s := range l.Servers {
		if s.Kind == NoCredential || s.File != "" {
			ofServer = append(ofServer, -1)
			continue
		}
		word := s.secretWord()
		key := word + "\x00" + s.Secret.Reveal() + "\x00" + s.expression.Reveal() + s.Computed
		i, twice := known[key]
		if !twice {
			i = len(files)
			known[key] = i
			count[word]++
			files = append(files, SecretFile{Name: fmt.Sprintf("turn-%d.%s", count[word], word), Value: s.Secret, What: s.whatSecret()})
		}
		ofServer = append(ofServer, i)
	}
	for i, f := range files {
		if word := strings.TrimPrefix(f.Name, "turn-1."); word != f.Name && count[word] == 1 {
			files[i].Name = "turn." + word
		}
	}
	return files, ofServer
}

// whatSecret says what a file has to hold.
func (c Credential) whatSecret() string {
	what := "the shared secret"
	if c.Kind == FixedAccount {
		what = "the password"
	}
	if c.Computed != "" {
		return what + " (" + c.Computed + ")"
	}
	return fmt.Sprintf("%s in line %d", what, c.Line)
}

// TOML returns the list as [[ice_server]] tables.
func (l *List) TOML(secrets Secrets, now time.Time) string {
	var b strings.Builder
	if len(l.Notes) > 0 {
		b.WriteString("# Left out, changed, or in need of a look:\n")
		for _, n := range l.Notes {
			b.WriteString("#   " + n + "\n")
		}
		b.WriteString("\n")
	}
	w := secretWriter{Builder: &b, secrets: secrets, explained: map[string]bool{}}
	files, ofServer := l.nameFiles()
	for i, s := range l.Servers {
		if i > 0 {
			b.WriteString("\n")
		}
		writeURIs(&b, s.URIs)
		if s.Kind == NoCredential {
			continue
		}
		if warning := s.Warning(now); warning != "" {
			b.WriteString("# Careful: " + warning + "\n")
		}
		if s.Kind == FixedAccount {
			w.username(s.Credential)
		}
		if ofServer[i] < 0 {
			w.existing(s.Credential)
		} else {
			w.write(s.Credential, files[ofServer[i]])
		}
		writeOptions(&b, s.Credential)
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

// writeOptions writes what else belongs to a shared secret.
func writeOptions(b *strings.Builder, c Credential) {
	if c.Kind == SharedSecret && c.TTL != config.DefaultTTL {
		fmt.Fprintf(b, "ttl = %s\n", quoteTOML(config.FormatDuration(c.TTL)))
	}
	if c.UsernameForm == "" {
		return
	}
	fmt.Fprintf(b, "username_form = %s\n", quoteTOML(c.UsernameForm))
	if c.Realm == "" {
		b.WriteString("# The virtual host of ejabberd is not known. Write it here:\n# realm = \"\"\n")
		return
	}
	fmt.Fprintf(b, "realm = %s\n", quoteTOML(c.Realm))
}

// secretWriter writes secrets, or the names of their files.
type secretWriter struct {
	*strings.Builder
	secrets   Secrets
	explained map[string]bool // files of which it is said what belongs in them
}

func (w secretWriter) username(c Credential) {
	if c.UsernameComputed {
		fmt.Fprintf(w, "# The username is computed in line %d. Write it here:\n# username = \"\"\n", c.usernameLine)
		return
	}
	fmt.Fprintf(w, "username = %s\n", quoteTOML(c.Username))
}

func (w secretWriter) write(c Credential, f SecretFile) {
	if w.secrets.Inline && c.isShown() {
		fmt.Fprintf(w, "%s = %s\n", c.secretWord(), quoteTOML(f.Value.Reveal()))
		return
	}
	name := filepath.Join(w.secrets.Dir, f.Name)
	if stored := w.secrets.Stored && c.isShown(); !stored && !w.explained[name] {
		fmt.Fprintf(w, "# Write %s into this file, and let nobody else read it: chmod 600 %s\n", f.What, name)
		w.explained[name] = true
	}
	fmt.Fprintf(w, "%s_file = %s\n", c.secretWord(), quoteTOML(name))
}

// existing names the file that holds the secret already.
func (w secretWriter) existing(c Credential) {
	if !w.explained[c.File] {
		fmt.Fprintf(w, "# The user that extdisco runs as must be allowed to read this file.\n")
		w.explained[c.File] = true
	}
	fmt.Fprintf(w, "%s_file = %s\n", c.secretWord(), quoteTOML(c.File))
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

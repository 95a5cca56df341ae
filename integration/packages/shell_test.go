//go:build integration

package packages

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// completionFile writes the completion for a shell to a file.
func completionFile(t *testing.T, shell string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "completion."+shell)
	writeFile(t, file, run(t, command, "completion", shell), 0o644)
	return file
}

// completions are what each shell must offer behind a command line.
var completions = []struct {
	name, line string
	want       []string // among what is offered
	never      []string
}{
	{"a command", "extdisco se", []string{"serve"}, []string{"check"}},
	{"all commands", "extdisco ", []string{"serve", "check", "query", "version", "completion"}, []string{"man"}},
	{"a flag of all commands", "extdisco --log-l", []string{"--log-level"}, []string{"--log-format"}},
	{"the choices of a flag", "extdisco --log-level ", []string{"debug", "info", "warn", "error"}, []string{"serve"}},
	{"a flag of a command", "extdisco query --password", []string{"--password-file"}, nil},
	{"no flag of another command", "extdisco serve --", []string{"--config"}, []string{"--password-file"}},
	{"the choices of an argument", "extdisco completion ", []string{"bash", "zsh", "fish"}, nil},
	{"a flag of all behind a command", "extdisco check --con", []string{"--config"}, nil},
	{"the file of an argument", "extdisco import /etc/pass", []string{"/etc/passwd"}, nil},
	{"the file of a flag", "extdisco --config /etc/pass", []string{"/etc/passwd"}, nil},
	{"the file of a short flag", "extdisco -c /etc/pass", []string{"/etc/passwd"}, nil},
}

// bashScript completes a line, the words of which are given, as bash does.
const bashScript = `source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_extdisco
printf '%s\n' "${COMPREPLY[@]}"`

func TestIntegrationBashCompletes(t *testing.T) {
	file := completionFile(t, "bash")
	for _, tt := range completions {
		t.Run(tt.name, func(t *testing.T) {
			words := strings.Split(tt.line, " ")
			wantOffered(t, run(t, "bash", append([]string{"-c", bashScript, "bash", file}, words...)...), tt.want, tt.never)
		})
	}
	// bash takes what is behind = for a word of its own.
	out := run(t, "bash", "-c", bashScript, "bash", file, "extdisco", "--config", "=", "check", "--log-level", "=", "de")
	wantOffered(t, out, []string{"debug"}, []string{"info"})
	if out := run(t, "bash", "-c", `source "$1"; complete -p extdisco`, "bash", file); !strings.Contains(out, "_extdisco") {
		t.Errorf("bash does not complete extdisco: %s", out)
	}
}

func TestIntegrationFishCompletes(t *testing.T) {
	file := completionFile(t, "fish")
	t.Setenv("HOME", t.TempDir())
	for _, tt := range completions {
		t.Run(tt.name, func(t *testing.T) {
			out := run(t, "fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, tt.line)
			wantOffered(t, regexp.MustCompile(`(?m)\t.*$`).ReplaceAllString(out, ""), tt.want, tt.never)
		})
	}
}

// zshScript completes a line in an interactive zsh, where zsh's own functions take
// part, and prints what that offers.
const zshScript = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1='#'PROMPT'# '; autoload -Uz compinit; compinit -C -d $3; source $1; zstyle ':completion:*' list-prompt ''; zstyle ':completion:*' menu no; unsetopt list_ambiguous; setopt list_packed; LISTMAX=0; compadd() { builtin compadd -O found_here \"\$@\"; (( \$#found_here )) && print -rl -- OFFER:\$^found_here; builtin compadd \"\$@\" }"
zpty -r z line '*#PROMPT# *'
zpty -n -w z "$2"$'\t'
zpty -n -w z $'\x15'"print OVER"$'\n'
zpty -r z line '*print OVER*OVER*'
print -r -- "$line"`

func TestIntegrationZshCompletes(t *testing.T) {
	file := completionFile(t, "zsh")
	run(t, "zsh", "-f", "-n", file)
	// Looking for all completions of the machine takes a second, so it is done once.
	dump := filepath.Join(t.TempDir(), "dump")
	if out := run(t, "zsh", "-f", "-c", `autoload -Uz compinit; compinit -u -d $2; source $1; print -r -- $_comps[extdisco]`, "zsh", file, dump); out != "_extdisco\n" {
		t.Errorf("zsh completes extdisco with %q", out)
	}
	for _, tt := range completions {
		t.Run(tt.name, func(t *testing.T) {
			out := run(t, "zsh", "-f", "-c", zshScript, "zsh", file, tt.line, dump)
			var offered []string
			for _, m := range regexp.MustCompile(`OFFER:(\S+)`).FindAllStringSubmatch(out, -1) {
				offered = append(offered, m[1])
			}
			wantOffered(t, strings.Join(offered, "\n"), tt.want, tt.never)
			if t.Failed() {
				t.Logf("%q", out)
			}
		})
	}
}

func wantOffered(t *testing.T, out string, want, never []string) {
	t.Helper()
	offered := strings.Fields(out)
	for i, s := range offered {
		if slices.Contains(want, "/etc/"+s) {
			offered[i] = "/etc/" + s // zsh offers the last part of a name
		}
	}
	for _, w := range want {
		if !slices.Contains(offered, w) {
			t.Errorf("%s is not offered, but %q", w, offered)
		}
	}
	for _, n := range never {
		if slices.Contains(offered, n) {
			t.Errorf("%s is offered", n)
		}
	}
}

// TestIntegrationManualPages reads the pages with man, which warns of what is
// wrong with them.
func TestIntegrationManualPages(t *testing.T) {
	rendered := map[string]string{}
	for _, page := range []string{"extdisco.1", "extdisco.toml.5"} {
		file := filepath.Join(t.TempDir(), page)
		writeFile(t, file, run(t, command, "man", page), 0o644)
		t.Setenv("MANWIDTH", "200")
		text := run(t, "man", "--warnings", "--encoding=UTF-8", "--local-file", file)
		if strings.Contains(text, "warning:") {
			t.Errorf("%s:\n%s", page, text)
		}
		rendered[page] = text
	}
	for command, flags := range flagsOf(t) {
		if !strings.Contains(rendered["extdisco.1"], "extdisco "+command) {
			t.Errorf("extdisco(1) lacks %s", command)
		}
		for _, f := range flags {
			if !regexp.MustCompile(`--` + f + `\b`).MatchString(rendered["extdisco.1"]) {
				t.Errorf("extdisco(1) lacks --%s", f)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:# +)?(\w+) *= `).FindAllStringSubmatch(readFile(t, "config.toml.example"), -1) {
		if !regexp.MustCompile(`\b` + m[1] + ` *= `).MatchString(rendered["extdisco.toml.5"]) {
			t.Errorf("extdisco.toml(5) lacks %s", m[1])
		}
	}
	// man finds what is wrong with a page.
	broken := filepath.Join(t.TempDir(), "broken.1")
	writeFile(t, broken, strings.Replace(run(t, command, "man", "extdisco.1"), ".Sh OPTIONS", ".Xx OPTIONS", 1), 0o644)
	if out, _ := try(t, "man", "--warnings", "--encoding=UTF-8", "--local-file", broken); !strings.Contains(out, "warning:") {
		t.Error("man does not warn of a page that is wrong")
	}
}

package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"extdisco/internal/testkit"
	"extdisco/turncred/provider"
)

// wantLine is the first line of a broken file: its fault, with FILE for its name.
var wantLine = regexp.MustCompile(`^# want: (.*)\n`)

// brokenFiles returns the files of testdata/broken, each of which has one
// fault, and the faults.
func brokenFiles(t *testing.T) map[string]string {
	t.Helper()
	wants := map[string]string{}
	for _, file := range configFiles(t, "broken") {
		m := wantLine.FindStringSubmatch(readFile(t, file))
		if m == nil {
			t.Fatalf("%s does not begin with # want: …", file)
		}
		wants[file] = m[1]
	}
	return wants
}

func configFiles(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files in", folder, err)
	}
	return files
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func testName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".toml") }

func TestBrokenConfigs(t *testing.T) {
	for file, want := range brokenFiles(t) {
		t.Run(testName(file), func(t *testing.T) {
			_, err := Load(file, testkit.Time)
			if err == nil {
				t.Fatalf("is accepted, want %s", want)
			}
			testkit.WantEqual(t, "fault", strings.ReplaceAll(err.Error(), file, "FILE"), want)
		})
	}
}

// TestBrokenConfigsFromWindows checks that a byte order mark and the line ends of
// Windows do not shift the line numbers.
func TestBrokenConfigsFromWindows(t *testing.T) {
	for file, want := range brokenFiles(t) {
		if strings.HasPrefix(testName(file), "syntax-") {
			continue // the TOML library tells of the character that it met
		}
		t.Run(testName(file), func(t *testing.T) {
			content := "\ufeff" + strings.ReplaceAll(readFile(t, file), "\n", "\r\n")
			_, err := parse(file, []byte(content), testkit.Time)
			if err == nil {
				t.Fatalf("is accepted, want %s", want)
			}
			testkit.WantEqual(t, "fault", strings.ReplaceAll(err.Error(), file, "FILE"), want)
		})
	}
}

// TestEveryFaultHasABrokenConfig reads the source: what it can say about a
// configuration must be said about one of testdata/broken.
func TestEveryFaultHasABrokenConfig(t *testing.T) {
	var wants []string
	for _, want := range brokenFiles(t) {
		wants = append(wants, want)
	}
	for _, file := range []string{"component.go", "access.go", "table.go", "iceserver.go", "offer.go", "provider.go", "vendor.go", "http.go", "relay.go", "cafile.go", "secretfile.go", "rotation.go", "../iceuri/iceuri.go", "../rotation/url.go"} {
		for _, m := range faultMessages(t, file) {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(file), m.line), func(t *testing.T) {
				if !slices.ContainsFunc(wants, m.pattern.MatchString) {
					t.Errorf("no broken file for %s", m.pattern)
				}
			})
		}
	}
}

// verb is a verb of package fmt.
var verb = regexp.MustCompile(`%(\[\d\])?[.\d]*[a-z]`)

type faultMessage struct {
	line    int
	pattern *regexp.Regexp
}

// notFaults are messages about files that could not be found or read.
var notFaults = []string{"cannot look at", "no configuration", "cannot read the configuration"}

// faultMessages finds the format strings of faults and errors in a source file.
func faultMessages(t *testing.T, file string) []faultMessage {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var messages []faultMessage
	ast.Inspect(parsed, func(n ast.Node) bool {
		var parts []ast.Expr
		switch n := n.(type) {
		case *ast.CallExpr:
			if !slices.Contains([]string{"fault", "missing", "Errorf", "New"}, calledName(n)) {
				return true
			}
			parts = n.Args
		case *ast.CompositeLit:
			if name, ok := n.Type.(*ast.Ident); !ok || name.Name != "Fault" {
				return true
			}
			parts = n.Elts
		default:
			return true
		}
		format := constantText(parts)
		if len(format) < 8 || slices.ContainsFunc(notFaults, func(s string) bool { return strings.HasPrefix(format, s) }) {
			return true
		}
		var between []string
		for _, text := range verb.Split(format, -1) {
			between = append(between, regexp.QuoteMeta(text))
		}
		messages = append(messages, faultMessage{fset.Position(n.Pos()).Line, regexp.MustCompile(strings.Join(between, ".*"))})
		return true
	})
	if len(messages) == 0 {
		t.Fatal("no messages in", file)
	}
	return messages
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// constantText returns the longest text among the arguments of a call or the fields of a
// literal.
func constantText(args []ast.Expr) string {
	longest := ""
	for _, arg := range args {
		text := ""
		ast.Inspect(arg, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if s, err := strconv.Unquote(literal.Value); err == nil {
					text += s
				}
			}
			return true
		})
		if len(text) > len(longest) {
			longest = text
		}
	}
	return longest
}

func TestAllFaultsAreReportedInOrder(t *testing.T) {
	file := testkit.WriteConfig(t, `verbose = true

[component]
server = "127.0.0.1"
jid = "turn@example.org"
secret_flie = "component.secret"

[[ice_server]]
urls = [
  "turn:turn.example.org:0",
  "turn:turn.example.org",
  "turn:turn.example.org",
]
secret_file = "nowhere.secret"
ttl = "1d"

[[ice_server]]
ttl = 5

[access]
allow = ["*"]

[limits]
total = "1/d"

[log]
level = "loud"
`)
	_, err := Load(file, testkit.Time)
	if err == nil {
		t.Fatal("is accepted")
	}
	var places []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fields := strings.SplitN(strings.TrimPrefix(line, file+":"), ": ", 3)
		places = append(places, fields[0]+" "+fields[1])
	}
	testkit.WantEqual(t, "faults", strings.Join(places, "\n"), `1 verbose
3 component.secret_file
4 component.server
5 component.jid
6 component.secret_flie
10 ice_server[0].urls[0]
12 ice_server[0].urls[2]
14 ice_server[0].secret_file
15 ice_server[0].ttl
17 ice_server[1].urls
18 ice_server[1].ttl
18 ice_server[1].ttl
21 access.allow[0]
24 limits.total
27 log.level`)
}

func TestGoodConfigs(t *testing.T) {
	for _, file := range configFiles(t, "good") {
		want := readFile(t, strings.TrimSuffix(file, ".toml")+".txt")
		content := readFile(t, file)
		variants := map[string]string{
			"as it is":             content,
			"with byte order mark": "\ufeff" + content,
			"with CRLF":            strings.ReplaceAll(content, "\n", "\r\n"),
			"without last newline": strings.TrimSuffix(content, "\n"),
		}
		for name, content := range variants {
			t.Run(testName(file)+" "+name, func(t *testing.T) {
				cfg, err := parse(file, []byte(content), testkit.Time)
				if err != nil {
					t.Fatal(err)
				}
				testkit.WantEqual(t, "values", strings.ReplaceAll(describe(cfg), `\r\n`, `\n`), want)
			})
		}
	}
}

// describe writes down all that a configuration says, secrets too.
func describe(cfg *Config) string {
	var b strings.Builder
	rate := func(events int, text string) string {
		if events == 0 {
			return "none"
		}
		return text
	}
	for _, c := range cfg.Components {
		if c.Name != c.JID {
			fmt.Fprintf(&b, "name %s\n", c.Name)
		}
		fmt.Fprintf(&b, "jid %s\nserver %s\nhandshake secret %q\nhosts %s\n", c.JID, c.Server, c.Secret.Reveal(), strings.Join(c.Hosts, " "))
		if c.ServiceName != DefaultServiceName {
			fmt.Fprintf(&b, "service name %q\n", c.ServiceName)
		}
	}
	fmt.Fprintf(&b, "allow %s\n", strings.Join(cfg.Access.Allow, " "))
	if len(cfg.Access.Deny) > 0 {
		fmt.Fprintf(&b, "deny %s\n", strings.Join(cfg.Access.Deny, " "))
	}
	fmt.Fprintf(&b, "per_jid %s\nper_domain %s\ntotal %s\nlevel %v\nformat %s\n", rate(cfg.Limits.PerJID.Events, cfg.Limits.PerJID.String()),
		rate(cfg.Limits.PerDomain.Events, cfg.Limits.PerDomain.String()), rate(cfg.Limits.Total.Events, cfg.Limits.Total.String()), cfg.Log.Level, cfg.Log.Format)
	if cfg.Log.Audit {
		fmt.Fprintf(&b, "audit\n")
	}
	if h := cfg.HTTP; h.Listen != "" {
		fmt.Fprintf(&b, "http %s, token %q, hosts %s\n", h.Listen, h.Token.Reveal(), strings.Join(h.Hosts, " "))
		fmt.Fprintf(&b, "  %+v, behind a proxy %t\n", h.Certificate, h.BehindTLSProxy)
	}
	if cfg.HTTP.RelayListen != "" {
		fmt.Fprintf(&b, "http of the relay alone %s\n", cfg.HTTP.RelayListen)
	}
	for _, c := range cfg.HTTP.Clients {
		fmt.Fprintf(&b, "rest_client %s with %q\n", c.Name, c.Key.Reveal())
	}
	if o := cfg.Offer; o != (Offer{}) {
		fmt.Fprintf(&b, "offers %d servers, with countries %t\n", o.Servers, o.Countries != nil)
	}
	if r := cfg.Relay; r.On {
		fmt.Fprintf(&b, "relay %s, public %v, ports %d-%d, ttl %v, drain %v\n", r.Host, r.PublicIP, r.FirstPort, r.LastPort, r.TTL, r.Drain)
		for _, service := range r.Services() {
			fmt.Fprintf(&b, "  %s over %s\n", service.URI(), service.Transport)
		}
		fmt.Fprintf(&b, "  listens %v, tls %v, shared secret %q, state %t, peers %v\n  %+v\n",
			r.Listen, r.TLSListen, r.Secret.Reveal(), filepath.IsAbs(r.StateDir), r.AllowPeers, r.Limits)
		describeChoice(&b, r.Choice)
	}
	for _, s := range cfg.ICEServers {
		fmt.Fprintf(&b, "ice_server\n")
		if s.Provider != nil {
			describeProvider(&b, s.Provider)
		}
		for _, service := range s.Services {
			fmt.Fprintf(&b, "  %s over %s\n", service.URI(), service.Transport)
		}
		if !s.SharedSecret.IsEmpty() {
			fmt.Fprintf(&b, "  shared secret %q, pseudonym key %q, ttl %v\n", s.SharedSecret.Reveal(), s.PseudonymKey.Reveal(), s.TTL)
		}
		if s.UsernameForm != "" {
			fmt.Fprintf(&b, "  username form %q, realm %q\n", s.UsernameForm, s.Realm)
		}
		if r := s.Rotation; r != nil {
			fmt.Fprintf(&b, "  rotates every %v in %q, realm %q, ttl %v, state %t\n", r.Every, r.Database.Reveal(), r.Realm, r.TTL, filepath.IsAbs(r.StateDir))
		}
		if !s.PreviousSecret.IsEmpty() {
			fmt.Fprintf(&b, "  previous secret %q\n", s.PreviousSecret.Reveal())
		}
		if len(s.Name) > 0 {
			fmt.Fprintf(&b, "  named %v\n", map[string]string(s.Name))
		}
		if len(s.Info) > 0 {
			fmt.Fprintf(&b, "  info %q\n", s.Info)
		}
		if s.Username != "" {
			fmt.Fprintf(&b, "  username %q, password %q\n", s.Username, s.Password.Reveal())
		}
		describeChoice(&b, s.Choice)
	}
	return b.String()
}

func describeChoice(b *strings.Builder, c Choice) {
	if c.Weight != 1 || len(c.Domains)+len(c.Networks)+len(c.Countries) > 0 {
		fmt.Fprintf(b, "  weight %d, domains %v, networks %v, countries %v\n", c.Weight, c.Domains, c.Networks, c.Countries)
	}
}

func describeProvider(b *strings.Builder, p *Provider) {
	fmt.Fprintf(b, "  provider %s at %s, timeout %v, min_remaining %v, own CAs %t\n", p.Name, p.Key, p.Timeout, p.MinRemaining, p.RootCAs != nil)
	if p.PerUser {
		fmt.Fprintf(b, "  per user, at most %d per %v\n", p.PerUserRate.Events, p.PerUserRate.Per)
	}
	describeAPI(b, p.API)
	if p.API.Then != nil {
		fmt.Fprintf(b, "  then, with %v\n", p.API.Carry)
		describeAPI(b, p.API.Then)
	}
	if p.Revocation != nil {
		fmt.Fprintf(b, "  revocation\n")
		describeAPI(b, p.Revocation("1:user"))
	}
}

func describeAPI(b *strings.Builder, a *provider.API) {
	fmt.Fprintf(b, "  %s %s\n", a.Method, a.URL.Reveal())
	for _, name := range slices.Sorted(maps.Keys(a.Query)) {
		fmt.Fprintf(b, "    query %s=%q\n", name, a.Query[name].Reveal())
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		fmt.Fprintf(b, "    header %s: %s\n", name, a.Header[name].Reveal())
	}
	if !a.Body.IsEmpty() {
		fmt.Fprintf(b, "    body %s\n", a.Body.Reveal())
	}
	if a.User != "" || !a.Password.IsEmpty() || !a.Bearer.IsEmpty() {
		fmt.Fprintf(b, "    user %q, password %q, bearer %q\n", a.User, a.Password.Reveal(), a.Bearer.Reveal())
	}
	fmt.Fprintf(b, "    ttl %v, keep port 53 %t\n", a.TTL, a.KeepPort53)
	if len(a.URLs) > 0 || a.Pointers != (provider.Pointers{}) {
		fmt.Fprintf(b, "    urls %s, pointers %+v\n", a.URLs, a.Pointers)
	}
}

// TestGoodProvidersNameEveryKey checks that the file of good providers has each
// key of each provider, as the loader knows them.
func TestGoodProvidersNameEveryKey(t *testing.T) {
	const common = "name info weight domains networks countries timeout min_remaining per_user per_user_rate ca_file url insecure_http keep_port_53"
	named := map[string][]string{"": strings.Fields(common)}
	var file struct {
		Servers []map[string]any `toml:"ice_server"`
	}
	if _, err := toml.DecodeFile("testdata/good/providers.toml", &file); err != nil {
		t.Fatal(err)
	}
	for _, s := range file.Servers {
		name, _ := s["provider"].(string)
		named[name] = append(named[name], slices.Collect(maps.Keys(s))...)
	}
	everywhere := slices.Concat(slices.Collect(maps.Values(named))...)
	for name := range presets {
		_, err := parse("config.toml", []byte("[[ice_server]]\nprovider = \""+name+"\"\nx = 1\n"), testkit.Time)
		for _, key := range strings.Split(knownKeys.FindStringSubmatch(err.Error())[2], ", ") {
			used := named[name]
			if slices.Contains(named[""], key) {
				used = everywhere
			}
			if !slices.Contains(used, key) && !slices.Contains(used, key+"_file") {
				if base, isFile := strings.CutSuffix(key, "_file"); !isFile || !slices.Contains(used, base) {
					t.Errorf("no %s of %s", key, name)
				}
			}
		}
	}
}

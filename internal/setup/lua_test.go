package setup

import (
	"fmt"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// written writes statements as a test compares them.
func written(statements []statement) string {
	var out strings.Builder
	for _, st := range statements {
		kind := map[statementKind]string{isOption: "option", isVirtualHost: "host", isComponent: "component", isInclude: "include", isComputedHost: "computed host"}[st.kind]
		fmt.Fprintf(&out, "%d %s %s", st.line, kind, st.name)
		if st.extra != "" {
			fmt.Fprintf(&out, " %s", st.extra)
		}
		if st.kind == isOption {
			fmt.Fprintf(&out, " of %q", st.host)
			if st.isPlain {
				fmt.Fprintf(&out, ": %q %q", st.strings(), st.numbers())
			}
		}
		out.WriteString("; ")
	}
	return strings.TrimSuffix(out.String(), "; ")
}

func TestProsodyStatements(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"options", "a = 'x'; b = { \"y\", \"z\"; 3 }\nc=true", `1 option a of "": ["x"] []; 1 option b of "": ["y" "z"] ["3"]; 2 option c of "": [] []`},
		{"a mark at the start", "\ufeffa = 1", `1 option a of "": [] ["1"]`},
		{"sections", "VirtualHost \"A.example.org\"\na = 1\nComponent 'b' 'muc'\nVirtualHost(\"c\")\nVirtualHost \"*\"\nd = 2",
			`1 host a.example.org; 2 option a of "a.example.org": [] ["1"]; 3 component b muc; 4 host c; 5 host *; 6 option d of "": [] ["2"]`},
		{"a comment", "-- a = 1\n--[[ b = 2\nc = 3 ]] d = 4 --[==[ ]] ]==]\ne = 5", `3 option d of "": [] ["4"]; 4 option e of "": [] ["5"]`},
		{"long strings", "a = [[\nx]] b = [=[y]]]=]", `1 option a of "": ["x"] []; 2 option b of "": ["y]]"] []`},
		{"escaped quotes", `a = "x\"y" b = 'it\'s'`, `1 option a of "": ["x\"y"] []; 1 option b of "": ["it's"] []`},
		{"tables in tables", "a = { { type = \"turn\", [\"host\"] = \"h\" }, k = { 1 } }", `1 option a of "": ["turn" "h"] ["1"]`},
		{"a call", "a = f(\"x\")\nb = f { 1 }\nc = os.getenv \"C\"", `1 option a of ""; 2 option b of ""; 3 option c of ""`},
		{"arithmetic", "a = 1 + 2\nb = \"x\" .. \"y\"\nc = d or \"e\"\nf = -1", `1 option a of ""; 2 option b of ""; 3 option c of ""; 4 option f of ""`},
		{"a call in a table", "a = { \"x\", f() }", `1 option a of ""`},
		{"a local", "local a = 1\nb.c = 2", `1 option a of ""`},
		{"a condition", "if x == 1 then\n a = 1\nelseif y then\n b = 2\nelse\n c = 3\nend\nd = 4",
			`2 option a of ""; 4 option b of ""; 6 option c of ""; 8 option d of "": [] ["4"]`},
		{"loops and functions", "for i = 1, 2 do a = 1 end while x do b = 1 end repeat c = 1 until d function f() e = 1 end g = 1",
			`1 option i of ""; 1 option a of ""; 1 option b of ""; 1 option c of ""; 1 option e of ""; 1 option g of "": [] ["1"]`},
		{"computed hosts", "VirtualHost(name)\nComponent(name, \"muc\")\nif x then VirtualHost \"y\" end",
			`1 computed host ; 2 computed host ; 3 computed host `},
		{"includes", "Include \"conf.d/*.cfg.lua\"\nInclude('x')", `1 include conf.d/*.cfg.lua; 2 include x`},
		{"an unfinished table", "a = { 1,", `1 option a of ""`},
		{"a comparison is no option", "x = a == b", `1 option x of ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			statements, err := prosodyStatements("file", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			testkit.WantEqual(t, "statements", written(statements), tt.want)
		})
	}
}

func TestCommentOut(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a line", "turn_external_secret = \"s3cret\";\nx = 1\n", "-- turn_external_secret = \"removed-by-extdisco-setup\";\nx = 1\n"},
		{"indented", "\tturn_external_secret = 's3cret' -- mine\n", "\t-- turn_external_secret = \"removed-by-extdisco-setup\" -- mine\n"},
		{"on one line with others", "x = 1 turn_external_secret = [[s3cret]] y = 2\n", "x = 1 \n-- turn_external_secret = \"removed-by-extdisco-setup\"\n y = 2\n"},
		{"at the end of the file", "turn_external_secret = \"s3cret\"", "-- turn_external_secret = \"removed-by-extdisco-setup\""},
		{"a table", "external_services = {\n  { secret = \"s3cret\", host = \"h\" }, -- note\n  { [\"password\"] = 's3cret', username = \"u\" };\n}\n",
			"-- external_services = {\n--   { secret = \"removed-by-extdisco-setup\", host = \"h\" }, -- note\n--   { [\"password\"] = \"removed-by-extdisco-setup\", username = \"u\" };\n-- }\n"},
		{"secret = true stays", "external_services = { { secret = true } }\n", "-- external_services = { { secret = true } }\n"},
		{"with a comment in it", "external_services = { --[[ a\n b ]] { host = \"h\" } }\n", "-- external_services = { --[[ a\n--  b ]] { host = \"h\" } }\n"},
		{"line ends of Windows", "external_services = {\r\n { host = \"h\" }\r\n}\r\n", "-- external_services = {\r\n--  { host = \"h\" }\r\n-- }\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			statements, err := prosodyStatements("file", text)
			if err != nil {
				t.Fatal(err)
			}
			for i := len(statements) - 1; i >= 0; i-- {
				if st := statements[i]; oldOption.MatchString(st.name) && st.isPlain {
					text = commentOut(text, st)
				}
			}
			testkit.WantEqual(t, "text", text, tt.want)
			testkit.WantNoSecrets(t, "text", text, "s3cret")
			left, err := prosodyStatements("file", text)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range left {
				if oldOption.MatchString(st.name) {
					t.Errorf("%s is still there", st.name)
				}
			}
		})
	}
}

func TestHideSecrets(t *testing.T) {
	for _, line := range []string{
		`component_secret = "s3cret"`, `external_service_secret='s3cret';`, `{ type = "turn", secret = "s3cret" }`, `["password"] = "s3c\"ret s3cret" }`,
		`TURN_CREDENTIALS=s3cret`, `export TURN_PASSWORD="s3cret" # x`, `token = s3cret`, `+  secret  =  "s3cret",`, `turncredentials_secret = "s3cret"`,
	} {
		if got := hideSecrets(line); strings.Contains(got, "s3c") || !strings.Contains(got, "(not shown)") {
			t.Errorf("%s: %s", line, got)
		}
	}
	for _, line := range []string{`secret = true,`, `secret_file = "secrets/turn.secret"`, `hosts = ["a"]`} {
		if got := hideSecrets(line); got != line {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestDiffLines(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"the same", "a b", "a b", ""},
		{"new", "", "a b", "+a +b"},
		{"gone", "a b", "", "@@ line 1 @@ -a -b"},
		{"in the middle", "a b c", "a x c", "@@ line 2 @@ -b +x"},
		{"two places", "a b c d e", "a x c d y", "@@ line 2 @@ -b +x @@ line 5 @@ -e +y"},
		{"at the end", "a", "a b", "@@ line 2 @@ +b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(diffLines(strings.Fields(tt.old), strings.Fields(tt.new)), " ")
			testkit.WantEqual(t, "difference", got, tt.want)
		})
	}
}

// FuzzProsodyStatements reads anything, and comments out what it takes for plain options:
// these are not there afterwards, and nothing else changes.
func FuzzProsodyStatements(f *testing.F) {
	for _, seed := range []string{mainConfig, jitsiConfig, "a = { [ \"x\" ] = 'y' } --[==[ ]==]", "external_services = {}", "turn_external_secret = [[x]] .. y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := prosodyStatements("file", text)
		if err != nil {
			return
		}
		others := 0
		changed := text
		for i := len(statements) - 1; i >= 0; i-- {
			st := statements[i]
			if st.kind != isOption || !st.isPlain || !oldOption.MatchString(st.name) {
				others++
				continue
			}
			if st.start < 0 || st.end <= st.start || st.end > len(text) || !strings.HasPrefix(text[st.start:], st.name) {
				t.Fatalf("%s is at %d to %d of %d", st.name, st.start, st.end, len(text))
			}
			changed = commentOut(changed, st)
		}
		left, err := prosodyStatements("file", changed)
		if err != nil {
			t.Fatalf("%v\n%s\nwas\n%s", err, changed, text)
		}
		if len(left) != others {
			t.Fatalf("%d statements, want %d\n%s\nwas\n%s", len(left), others, changed, text)
		}
	})
}

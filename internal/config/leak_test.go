package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// planted are spellings of a secret, as they may come into a configuration in the wrong place.
// Each has a piece of hiddenPieces.
var planted = []string{
	"HIDDENsecret4", "alice:HIDDENsecret4@", "a@b:HIDDENsecret4@c", ":HIDDENsecret4:", "HIDDEN secret4", "HIDDEN/secret4+aa==", `"HIDDENsecret4`, `HIDDENsecret4"`,
	"'HIDDENsecret4'", "=HIDDENsecret4", "\nHIDDENsecret4\n", "\nHIDDENsecret4 = 1\n", "\n[HIDDENsecret4]\n", "?transport=HIDDENsecret4", "“HIDDENsecret4”",
	`\HIDDENsecret4`, "HIDDEN\x01secret4", "HIDDEN\xffsecret4", "[HIDDENsecret4", "{ HIDDENsecret4 = 5 }", "//HIDDENsecret4:p@", "#HIDDENsecret4", "\r\nHIDDENsecret4: x\r\n",
	"12HIDDENsecret4", "+HIDDENsecret4", "\" HIDDENsecret4", "\"\nHIDDENsecret4 = \"", "\"\"\"HIDDENsecret4", "},HIDDENsecret4={", "|HIDDENsecret4",
}

var hiddenPieces = []string{"HIDDEN", "ecret4"}

// wantHidden fails when a fault or warning shows a piece of a planted secret. Names of files are
// shown when they look like names of files.
func wantHidden(t *testing.T, file, document string) {
	t.Helper()
	cfg, err := parse(file, []byte(document), testkit.Time)
	var said []string
	if invalid, ok := err.(*Invalid); ok {
		said = strings.Split(invalid.Faults.String()+"\n"+invalid.Warnings.String(), "\n")
	} else {
		said = strings.Split(cfg.Warnings.String(), "\n")
	}
	for _, line := range said {
		if _, missing, found := strings.Cut(line, "there is no file "); found && fileName.MatchString(filepath.Base(missing)) {
			continue
		}
		if slices.ContainsFunc(hiddenPieces, func(piece string) bool { return strings.Contains(line, piece) }) {
			t.Errorf("%s\nof\n%s", line, document)
		}
	}
}

// TestNothingPlantedIsShown plants a secret in many places of a configuration, among them every
// value, in all spellings.
func TestNothingPlantedIsShown(t *testing.T) {
	dir := testkit.WriteFiles(t, "provider.secret", "provider secret of the tests", "ca.pem", readFile(t, "testdata/secrets/ca.pem"), "body.json", "{}",
		"server.pem", readFile(t, "testdata/secrets/server.pem"), "server.key", readFile(t, "testdata/secrets/server.key"))
	file := filepath.Join(dir, "config.toml")
	for _, name := range []string{"full", "providers"} {
		document := strings.ReplaceAll(readFile(t, "testdata/good/"+name+".toml"), "../secrets/", "")
		document = strings.Replace(document, "ca_file ", "ca_file_ ", 1) // reading the system's authorities takes long
		for i := 0; i < len(document); i += 7 {
			spelling := planted[i/7%len(planted)]
			wantHidden(t, file, document[:i]+spelling+document[i:])
		}
		// Whole values, too.
		spelling := 0
		for start := strings.IndexByte(document, '='); start >= 0 && start < len(document); {
			end := start + strings.IndexByte(document[start:], '\n')
			for _, form := range []string{"SECRET", `"SECRET"`, `["SECRET"]`, `{ file = "SECRET" }`} {
				spelling++
				wantHidden(t, file, document[:start+1]+strings.ReplaceAll(form, "SECRET", planted[spelling%len(planted)])+document[end:])
			}
			next := strings.IndexByte(document[end:], '=')
			if next < 0 {
				break
			}
			start = end + next
		}
	}
}

// FuzzNothingPlantedIsShown does the same with whatever the fuzzer makes of the configurations.
func FuzzNothingPlantedIsShown(f *testing.F) {
	for _, folder := range []string{"broken", "good"} {
		for _, file := range configFiles(f, folder) {
			content := strings.ReplaceAll(readFile(f, file), "../secrets/", "")
			_, content, _ = strings.Cut(content, "\n")
			f.Add(strings.ReplaceAll(content, "HIDDEN", ""), uint16(len(content)/2), uint8(len(content)))
		}
	}
	file := filepath.Join(testkit.WriteFiles(f), "config.toml")
	f.Fuzz(func(t *testing.T, content string, at uint16, spelling uint8) {
		i := int(at) % (len(content) + 1)
		document := content[:i] + planted[int(spelling)%len(planted)] + content[i:]
		for _, piece := range hiddenPieces {
			if strings.Contains(content, piece) {
				return // it would say something of its own
			}
		}
		wantHidden(t, file, document)
	})
}

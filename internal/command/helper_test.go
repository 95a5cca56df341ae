package command

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	example, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		panic(err)
	}
	program.ConfigExample = string(example)
	goleak.VerifyTestMain(m)
}

// program is the program that the tests run.
var program = Program{SystemConfig: "/etc/extdisco/config.toml"}

// result is what a command left behind.
type result struct {
	status         int
	stdout, stderr string
}

// runCommand runs the command in this process.
func runCommand(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := program.Run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

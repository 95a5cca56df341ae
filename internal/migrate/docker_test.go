package migrate

import (
	"fmt"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

func TestReadEnv(t *testing.T) {
	text := "\ufeffZ=0\n# A=0\nA=1\n B = two words # not this\nexport C='x # y'\nD=\"q\" # r\nE=\nF\nA=3\nG=a#b\nH=${A}/${X}\n"
	var got []string
	for _, v := range ReadEnv(text) {
		got = append(got, fmt.Sprintf("%d %s=%s %v", v.Line, v.Name, v.Value, v.Computed))
	}
	testkit.WantEqual(t, "variables", strings.Join(got, "\n"),
		"1 Z=0 false\n3 A=1 false\n4 B=two words false\n5 C=x # y false\n6 D=q false\n7 E= false\n9 A=3 false\n10 G=a#b false\n11 H=3/${X} true")
}

package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestProgramMappings(t *testing.T) {
	const smaps = `00400000-00ab8000 r-xp 00000000 fe:00 1234                               /usr/bin/extdisco
Size:               6880 kB
Rss:                6176 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00ab8000-011eb000 r--p 006b8000 fe:00 1234                               /usr/bin/extdisco
Anonymous:             0 kB
011eb000-011ec000 r--p 00deb000 fe:00 1234                               /usr/bin/extdisco
Anonymous:             4 kB
011ec000-0128a000 rw-p 00dec000 fe:00 1234                               /usr/bin/extdisco
Anonymous:             0 kB
0128a000-032d0000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7ff45ed60000-7ff45f000000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6
Anonymous:             0 kB
7ff45f000000-7ff45f001000 r-xs 00000000 fe:00 1234                       /usr/bin/extdisco
Anonymous:             0 kB
7ff45f002000-7ff45f003000 r-xp 00000000 fe:00 77                         /usr/bin/extdisco (deleted)
Anonymous:             0 kB
7ffec4c21000-7ffec4c42000 rw-p 00000000 00:00 0                          [stack]
Anonymous:             0 kB
`
	tests := []struct {
		name, smaps, program string
		want                 []mapping
	}{
		{"what is only in the file", smaps, "/usr/bin/extdisco", []mapping{{0x400000, 0xab8000}, {0xab8000, 0x11eb000}}},
		{"a program that was replaced", smaps, "/usr/bin/extdisco (deleted)", []mapping{{0x7ff45f002000, 0x7ff45f003000}}},
		{"another program", smaps, "/bin/extdisco", nil},
		{"nothing", "", "/usr/bin/extdisco", nil},
		{"another form", "x\nAnonymous: 0 kB\nzz-yy r-xp /p\nAnonymous: 0 kB\n", "/p", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := programMappings([]byte(tt.smaps), tt.program); !slices.Equal(got, tt.want) {
				t.Errorf("%x, want %x", got, tt.want)
			}
		})
	}
}

func TestReleaseProgramPages(t *testing.T) {
	before := residentFile(t)
	if err := releaseProgramPages(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after > before*3/4 {
		t.Errorf("%d kB of the program file were in memory, and now %d", before, after)
	}
}

// residentFile returns how many kB of files this process has mapped and in memory.
func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgramPages takes the pages of the program file out of this process.
// The start runs through nearly all of the program, answering through a small
// part of it. What is needed again comes back by itself, from the kernel's copy of
// the file; the rest is the first to go when memory gets short.
func releaseProgramPages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range programMappings(maps, program) {
		// By the system call: unix.Madvise wants a slice, and none may be made of
		// memory that is not Go's.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// programMappings returns the mappings of the program that hold nothing but what is
// in its file. A page that differs, as relocation leaves behind (RELRO), would be
// lost.
func programMappings(smaps []byte, program string) []mapping {
	var list []mapping
	var m mapping
	var permissions string
	ours := false
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if !strings.HasSuffix(fields[0], ":") { // the first line of a mapping
			ours = strings.HasSuffix(lines.Text(), " "+program)
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to); err != nil {
				ours = false
			}
			permissions = fields[1]
		} else if ours && fields[0] == "Anonymous:" && fields[1] == "0" && strings.HasSuffix(permissions, "p") && !strings.Contains(permissions, "w") {
			list = append(list, m)
		}
	}
	return list
}

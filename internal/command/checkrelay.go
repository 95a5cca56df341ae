package command

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"extdisco/internal/config"
	"extdisco/internal/relay"
)

// receiveBuffers is where Linux says how much a socket may hold at most.
const receiveBuffers = "/proc/sys/net/core/rmem_max"

// checkMachine warns of what this machine grants too little of for the relay. rmemMax is
// the content of [receiveBuffers], and descriptors how many files a process may open.
func checkMachine(cfg *config.Config, rmemMax string, descriptors uint64) config.Faults {
	if !cfg.Relay.On {
		return nil
	}
	var warnings config.Faults
	warn := func(format string, args ...any) {
		warnings = append(warnings, config.Fault{File: cfg.File, Key: config.RelayKey, Message: fmt.Sprintf(format, args...)})
	}
	if granted, err := strconv.Atoi(strings.TrimSpace(rmemMax)); err == nil && granted < relay.ListenBuffer {
		warn("this machine grants receive buffers of %d bytes, so that a busy relay loses packets; set net.core.rmem_max = %d (contrib/extdisco-relay.sysctl)", granted, relay.ListenBuffer)
	}
	limits := cfg.Relay.Limits
	if needs := uint64(limits.Total + limits.Connections + descriptorsBesides); descriptors < needs {
		warn("the limits need %d open files, and a process of this user may have %d; set LimitNOFILE= in the service to that, or lower relay.limits", needs, descriptors)
	}
	return warnings
}

// descriptorsBesides is how many the program needs besides allocations and connections.
const descriptorsBesides = 100

// machine returns what checkMachine needs to know.
func machine() (rmemMax string, descriptors uint64) {
	content, _ := os.ReadFile(receiveBuffers) // only Linux has it
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return string(content), ^uint64(0)
	}
	return string(content), limit.Max
}

package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
)

// writeRuntime writes what the Go runtime tells of the process.
func writeRuntime(t *text) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.single("go_goroutines", gauge, "Goroutines that exist.", float64(runtime.NumGoroutine()))
	t.single("go_memstats_heap_alloc_bytes", gauge, "Bytes of the heap that are in use or not yet swept.", float64(m.HeapAlloc))
	t.single("go_memstats_heap_objects", gauge, "Objects on the heap.", float64(m.HeapObjects))
	t.single("go_memstats_sys_bytes", gauge, "Bytes obtained from the system.", float64(m.Sys))
	t.single("go_memstats_alloc_bytes_total", counter, "Bytes allocated on the heap until now, freed ones included.", float64(m.TotalAlloc))
	t.single("go_memstats_last_gc_time_seconds", gauge, "When the last garbage collection ended, in seconds since 1970.", float64(m.LastGC)/1e9)
}

// writeProcess writes what the kernel tells of the process, where it is Linux.
func writeProcess(t *text) {
	if p, ok := readProcess(); ok {
		t.single("process_cpu_seconds_total", counter, "CPU time spent, by the process and for it in the kernel, in seconds.", p.cpu)
		t.single("process_resident_memory_bytes", gauge, "Resident memory in bytes.", p.resident)
		t.single("process_virtual_memory_bytes", gauge, "Virtual memory in bytes.", p.virtual)
		t.single("process_start_time_seconds", gauge, "When the process was started, in seconds since 1970.", p.started)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		t.single("process_open_fds", gauge, "Open file descriptors.", float64(len(open)-1)) // but for the one of the folder
	}
	limits, _ := os.ReadFile("/proc/self/limits")
	if limit, ok := parseMaxFDs(limits); ok {
		t.single("process_max_fds", gauge, "Limit of open file descriptors.", limit)
	}
}

// ticks is how many ticks per second the kernel counts in /proc: USER_HZ, which is
// 100 on every architecture that Go knows.
const ticks = 100

// process is what /proc says, in seconds, bytes and seconds since 1970.
type process struct{ cpu, resident, virtual, started float64 }

// readProcess reads /proc/self/stat and the time of the boot; see proc(5).
func readProcess() (p process, ok bool) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return process{}, false
	}
	boot, err := os.ReadFile("/proc/stat")
	if err != nil {
		return process{}, false
	}
	return parseProcess(stat, boot)
}

func parseProcess(stat, boot []byte) (p process, ok bool) {
	// The name of the program stands in parentheses and may have anything in it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	_, since, found := bytes.Cut(boot, []byte("\nbtime "))
	if len(fields) < 22 || !found {
		return process{}, false
	}
	field := func(number int) float64 { // as proc(5) counts
		n, err := strconv.ParseFloat(string(fields[number-3]), 64)
		ok = ok && err == nil
		return n
	}
	ok = true
	p.cpu = (field(14) + field(15)) / ticks
	p.virtual = field(23)
	p.resident = field(24) * float64(os.Getpagesize())
	line, _, _ := bytes.Cut(since, []byte("\n"))
	booted, err := strconv.ParseFloat(string(line), 64)
	p.started = booted + field(22)/ticks
	return p, ok && err == nil
}

// parseMaxFDs returns the soft limit of open files from /proc/self/limits. None is
// as good as no metric.
func parseMaxFDs(limits []byte) (limit float64, ok bool) {
	_, line, found := bytes.Cut(limits, []byte("\nMax open files "))
	fields := bytes.Fields(line)
	if !found || len(fields) == 0 {
		return 0, false
	}
	limit, err := strconv.ParseFloat(string(fields[0]), 64)
	return limit, err == nil
}

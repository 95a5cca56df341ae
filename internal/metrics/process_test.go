package metrics

import (
	"os"
	"testing"
)

func TestParseProcess(t *testing.T) {
	const boot = "cpu  1 2\nbtime 1700000000\nprocesses 5\n"
	stat := "1 (a) b) c) S 4 5 6 7 8 9 10 11 12 13 250 150 16 17 18 19 20 21 500 8192 3 25\n"
	page := float64(os.Getpagesize())
	for _, tt := range []struct {
		name, stat, boot string
		want             process
		ok               bool
	}{
		{"a name with everything", stat, boot, process{cpu: 4, resident: 3 * page, virtual: 8192, started: 1700000005}, true},
		{"empty", "", "", process{}, false},
		{"no boot time", stat, "cpu 1\n", process{}, false},
		{"boot time without a number", stat, "cpu 1\nbtime x\n", process{}, false},
		{"a field is no number", "1 (a) S 4 5 6 7 8 9 10 11 12 13 x 150 16 17 18 19 20 21 500 8192 3 25", boot, process{}, false},
		{"too short", "1 (a) S 4 5 6 7 8 9 10 11 12 13 250 150 16 17 18 19 20 21 500 8192", boot, process{}, false},
		{"just long enough", "1 (a) S 4 5 6 7 8 9 10 11 12 13 250 150 16 17 18 19 20 21 500 8192 3", boot, process{cpu: 4, resident: 3 * page, virtual: 8192, started: 1700000005}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseProcess([]byte(tt.stat), []byte(tt.boot)); ok != tt.ok || ok && got != tt.want {
				t.Errorf("%+v, %t", got, ok)
			}
		})
	}
}

func TestParseMaxFDs(t *testing.T) {
	for _, tt := range []struct {
		name, limits string
		want         float64
		ok           bool
	}{
		{"usual", "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \nMax locked memory 1 2 bytes\n", 1024, true},
		{"none", "Limit\nMax open files            unlimited            unlimited            files\n", 0, false},
		{"empty", "", 0, false},
		{"cut off", "Limit\nMax open files ", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseMaxFDs([]byte(tt.limits)); ok != tt.ok || ok && got != tt.want {
				t.Errorf("%v, %t", got, ok)
			}
		})
	}
}

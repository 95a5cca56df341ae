package limit_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"extdisco/internal/limit"
)

func TestParseRate(t *testing.T) {
	tests := []struct {
		in   string
		want limit.Rate
	}{
		{"10/s", limit.Rate{Events: 10, Per: time.Second}},
		{"60/m", limit.Rate{Events: 60, Per: time.Minute}},
		{"1000/h", limit.Rate{Events: 1000, Per: time.Hour}},
		{"1/s", limit.Rate{Events: 1, Per: time.Second}},
		{"1000000000/m", limit.Rate{Events: 1_000_000_000, Per: time.Minute}},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := limit.ParseRate(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("ParseRate = %v, %v; want %v", got, err, tt.want)
			}
			if got.String() != tt.in {
				t.Errorf("String = %q", got.String())
			}
		})
	}
	for _, in := range []string{"", "10", "/s", "0/s", "-1/s", "1.5/s", "10/", "10/d", "10 /s", "10/s ", "1000000001/h", "99999999999/s", "9999999999999999999999/s"} {
		t.Run("bad "+in, func(t *testing.T) {
			if r, err := limit.ParseRate(in); err == nil {
				t.Errorf("ParseRate(%q) = %v", in, r)
			}
		})
	}
}

func TestRateString(t *testing.T) {
	if got, want := (limit.Rate{Events: 3, Per: 5 * time.Second}).String(), "3/5s"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

func allowed(l *limit.Limiter, key string, at time.Time, times int) (n int) {
	for range times {
		if l.Over([]byte(key), nil, at) == limit.None {
			n++
		}
	}
	return n
}

func TestLimiterPerKey(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{Key: limit.Rate{Events: 10, Per: time.Minute}}, start)
	steps := []struct {
		name  string
		key   string
		after time.Duration
		times int
		want  int
	}{
		{"whole allowance at once", "a", 0, 15, 10},
		{"other key has its own", "b", 0, 15, 10},
		{"nothing before the interval", "a", 5999 * time.Millisecond, 1, 0},
		{"one after the interval", "a", 6 * time.Second, 2, 1},
		{"two after two more", "a", 18 * time.Second, 3, 2},
		{"all of it back", "a", 10 * time.Minute, 15, 10},
	}
	for _, s := range steps {
		if got := allowed(l, s.key, start.Add(s.after), s.times); got != s.want {
			t.Errorf("%s: %d allowed, want %d", s.name, got, s.want)
		}
	}
}

func TestIsOverCountsNothing(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{Key: limit.Rate{Events: 1, Per: time.Minute}}, start)
	for range 3 {
		if l.IsOver([]byte("a"), start) {
			t.Fatal("over before anything happened")
		}
	}
	if n := allowed(l, "a", start, 3); n != 1 {
		t.Errorf("%d allowed, want 1", n)
	}
	if !l.IsOver([]byte("a"), start) || l.IsOver([]byte("b"), start) || l.IsOver([]byte("a"), start.Add(time.Minute)) {
		t.Error("not over when it should be, or the other way round")
	}
}

func TestLimiterTotal(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{Key: limit.Rate{Events: 2, Per: time.Minute}, Total: limit.Rate{Events: 3, Per: time.Second}}, start)
	if n := allowed(l, "a", start, 5); n != 2 {
		t.Errorf("a: %d allowed, want 2", n)
	}
	if n := allowed(l, "b", start, 5); n != 1 {
		t.Errorf("b: %d allowed, want the 1 that is left of the total", n)
	}
	if n := allowed(l, "b", start.Add(time.Second), 5); n != 1 {
		t.Errorf("b: %d allowed later, want 1: what the total refused does not count for the key", n)
	}
}

func TestOverTotal(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{Key: limit.Rate{Events: 1, Per: time.Minute}, Total: limit.Rate{Events: 2, Per: time.Second}}, start)
	for i, step := range []struct {
		after time.Duration
		over  bool
	}{
		{0, false}, {0, false}, {0, true},
		{499 * time.Millisecond, true}, // what is refused does not count
		{500 * time.Millisecond, false}, {500 * time.Millisecond, true},
		{10 * time.Second, false},
	} {
		if got := l.OverTotal(start.Add(step.after)); got != step.over {
			t.Errorf("step %d: over %v, want %v", i, got, step.over)
		}
	}
	// It shares the total with events of keys.
	if got := l.Over([]byte("a"), nil, start.Add(10*time.Second)); got != limit.None {
		t.Errorf("the second event is over %v", got)
	}
	if !l.OverTotal(start.Add(10 * time.Second)) {
		t.Error("the third event in all is within the limit")
	}
	unlimited := limit.New(limit.Rates{Key: limit.Rate{Events: 1, Per: time.Minute}}, start)
	for range 1000 {
		if unlimited.OverTotal(start) {
			t.Fatal("over a limit that does not exist")
		}
	}
}

func TestLimiterPerGroup(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	per := func(n int) limit.Rate { return limit.Rate{Events: n, Per: time.Minute} }
	l := limit.New(limit.Rates{Key: per(2), Group: per(3), Total: per(4)}, start)
	for i, step := range []struct {
		key, group string
		want       limit.Level
	}{
		{"a@one", "one", limit.None},
		{"a@one", "one", limit.None},
		{"a@one", "one", limit.Key},
		{"b@one", "one", limit.None}, // what is refused counts nowhere
		{"b@one", "one", limit.Group},
		{"c@two", "two", limit.None},
		{"d@two", "two", limit.Total},
	} {
		if got := l.Over([]byte(step.key), []byte(step.group), start); got != step.want {
			t.Errorf("step %d: over %d, want %d", i, got, step.want)
		}
	}
}

func TestLimiterWithoutLimits(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	if n := allowed(limit.New(limit.Rates{}, start), "a", start, 100_000); n != 100_000 {
		t.Errorf("%d of 100000 allowed", n)
	}
}

// Without limits there is nothing to remember, and no table to remember it in.
func TestLimiterWithoutLimitsIsSmall(t *testing.T) {
	size := func(rates limit.Rates) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l := limit.New(rates, time.Unix(1_800_000_000, 0))
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(l)
		return after.TotalAlloc - before.TotalAlloc
	}
	rate := limit.Rate{Events: 1, Per: time.Minute}
	if n := size(limit.Rates{Total: rate}); n > 32<<10 {
		t.Errorf("%d bytes without a limit per key or group", n)
	}
	if n := size(limit.Rates{Key: rate, Group: rate}); n < 512<<10 {
		t.Errorf("only %d bytes with them: this test measures nothing", n)
	}
}

func TestLimiterMillionKeys(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{Key: limit.Rate{Events: 3, Per: time.Minute}}, start)
	if n := allowed(l, "steady", start, 3); n != 3 {
		t.Fatal(n)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	refused := 0
	key := make([]byte, 0, 64)
	for i := range 1_000_000 {
		key = fmt.Appendf(key[:0], "%d@guest.example.org", i)
		if l.Over(key, nil, start.Add(time.Duration(i)*time.Microsecond)) != limit.None {
			refused++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if refused != 0 {
		t.Errorf("%d addresses were refused their first answer", refused)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("a million keys took %d bytes", grown)
	}
	if n := allowed(l, "steady", start.Add(time.Second), 1); n != 0 {
		t.Error("who is over the limit gets away with it when a million others come")
	}
}

// TestLimiterMillionKeysOfAGroup is an anonymous domain: everybody in it is new.
func TestLimiterMillionKeysOfAGroup(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	per := func(n int) limit.Rate { return limit.Rate{Events: n, Per: time.Minute} }
	l := limit.New(limit.Rates{Key: per(3), Group: per(600)}, start)
	answered := 0
	key, other := make([]byte, 0, 64), make([]byte, 0, 64)
	guests := []byte("guest.example.org")
	for i := range 1_000_000 {
		at := start.Add(time.Duration(i) * 60 * time.Microsecond)
		key = strconv.AppendInt(key[:0], int64(i), 10)
		if l.Over(key, guests, at) == limit.None {
			answered++
		}
		if i%4 == 0 { // between others, each in a group of its own
			other = append(append(other[:0], "other "...), key...)
			l.Over(other, other, at)
		}
	}
	if n := answered; n < 1190 || n > 1200 { // 600 at once and 600 in the minute
		t.Errorf("%d of the group were answered", n)
	}
	if l.Over([]byte("new@example.org"), []byte("example.org"), start.Add(time.Minute)) != limit.None {
		t.Error("another group is refused its first answer")
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{
		Key:   limit.Rate{Events: 60, Per: time.Minute},
		Group: limit.Rate{Events: 600, Per: time.Minute},
		Total: limit.Rate{Events: 1000, Per: time.Second},
	}, start)
	key, group := []byte("juliet@example.org"), []byte("example.org")
	if n := testing.AllocsPerRun(100, func() { l.Over(key, group, start) }); n != 0 {
		t.Errorf("%v allocations per question", n)
	}
}

func BenchmarkOver(b *testing.B) {
	start := time.Unix(1_800_000_000, 0)
	l := limit.New(limit.Rates{
		Key:   limit.Rate{Events: 60, Per: time.Minute},
		Group: limit.Rate{Events: 600, Per: time.Minute},
		Total: limit.Rate{Events: 1000, Per: time.Second},
	}, start)
	key, group := []byte("juliet@example.org"), []byte("example.org")
	b.ReportAllocs()
	for b.Loop() {
		l.Over(key, group, start)
	}
}

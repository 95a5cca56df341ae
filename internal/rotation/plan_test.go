package rotation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	every = 30 * 24 * time.Hour
	ttl   = 24 * time.Hour
)

var (
	start = time.Unix(1_800_000_000, 0)
	usual = policy{every: every, ttl: ttl, settles: 2 * time.Minute}
)

// secretOf is a secret of a generation that was made so long after the start.
func secretOf(generation uint64, after time.Duration) string {
	return newValue(generation, start.Add(after), ttl)
}

func TestParse(t *testing.T) {
	value := newValue(7, start, 90*time.Minute)
	m, ours := parse(value)
	if !ours || m.generation != 7 || !m.at.Equal(start) || m.ttl != 90*time.Minute || m.value != value || len(value) > 256 {
		t.Errorf("%q: %+v, %v", value, m, ours)
	}
	if again := newValue(7, start, 90*time.Minute); again == value {
		t.Error("two secrets are alike")
	}
	for _, other := range []string{"", "a secret of somebody else", value + "0", " " + value, strings.ToUpper(value), strings.Replace(value, "7", "-7", 1), "extdisco-1-1-1-"} {
		if _, ours := parse(other); ours {
			t.Errorf("takes %q for its own", other)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(newValue(1, start, ttl))
	f.Add("extdisco-999999999999-999999999999-999999999-" + strings.Repeat("0", 64))
	f.Add("north")
	f.Fuzz(func(t *testing.T, value string) {
		m, ours := parse(value)
		if !ours {
			return
		}
		if m.value != value || m.ttl < 0 || m.at.Before(time.Unix(0, 0)) || !ourValue(value) {
			t.Errorf("%q: %+v", value, m)
		}
		if c := usual.plan([]string{value}, start); len(c.remove) > 0 {
			t.Errorf("removes the only secret %q", value)
		}
	})
}

// ourValue reports whether clean would hide a value.
func ourValue(value string) bool { return ours.FindString(value) == value }

func TestPlan(t *testing.T) {
	const day = 24 * time.Hour
	old, next, third := secretOf(1, 0), secretOf(2, every), secretOf(3, 2*every)
	long := newValue(1, start, 72*time.Hour)
	ahead := secretOf(2, 100*every)
	for _, tt := range []struct {
		name   string
		values []string
		after  time.Duration // since the start
		add    uint64        // the generation; 0 for none
		first  bool
		remove []string
	}{
		{"an empty table", nil, 0, 1, true, nil},
		{"only somebody else's", []string{"north", "extdisco"}, 0, 1, true, nil},
		{"fresh", []string{old}, time.Hour, 0, false, nil},
		{"just before it is due", []string{old}, every - time.Second, 0, false, nil},
		{"due", []string{"north", old}, every, 2, false, nil},
		{"overdue", []string{old}, 3 * every, 2, false, nil},
		{"both in use", []string{old, next}, every + time.Minute, 0, false, nil},
		{"a credential may live", []string{old, next}, every + ttl, 0, false, nil},
		{"an instance may be late", []string{old, next}, every + 2*ttl, 0, false, nil},
		{"no credential is about", []string{"north", old, next}, every + 2*ttl + 2*time.Minute, 0, false, []string{old}},
		{"one was left behind", []string{old, next, third}, 2*every + day, 0, false, []string{old}},
		{"due and left behind", []string{third, old, next}, 3 * every, 4, false, []string{next, old}},
		{"credentials lived longer before", []string{long, next}, every + 4*day, 0, false, nil},
		{"and are over", []string{long, next}, every + 7*day, 0, false, []string{long}},
		{"made in the future", []string{old, ahead}, every + 3*day, 0, false, nil},
		{"our clock is behind", []string{old, next}, -20 * 365 * day, 0, false, nil},
		{"the same generation twice", []string{secretOf(2, every), next}, every + time.Hour, 0, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := usual.plan(tt.values, start.Add(tt.after))
			added := uint64(0)
			if m, ours := parse(c.add); ours {
				added = m.generation
			}
			if added != tt.add || c.first != tt.first || !slices.Equal(c.remove, tt.remove) {
				t.Errorf("adds %d, first %v, removes %q; want %d, %v, %q", added, c.first, c.remove, tt.add, tt.first, tt.remove)
			}
			after := c.apply(tt.values)
			if want := len(tt.values) - len(c.remove) + min(int(added), 1); len(after) != want {
				t.Errorf("then there are %q", after)
			}
			if again := usual.plan(after, start.Add(tt.after)); !again.isEmpty() {
				t.Errorf("is not done after that: %+v", again)
			}
		})
	}
}

// TestNoCredentialIsEverVoid plays years of a rotation by three instances, one of which is away from
// the database for as long as a credential lives now and then: the secret of each credential is in the
// table until it expires.
func TestNoCredentialIsEverVoid(t *testing.T) {
	cfg := Config{Every: 3 * ttl, TTL: ttl, Settles: 2 * time.Minute}
	p := policy{cfg.Every, cfg.TTL, cfg.Settles}
	var table []string
	var known [3][]made
	type credential struct {
		secret  string
		expires time.Time
	}
	var about []credential
	used := map[string]bool{}
	for minute := range 60 * 24 * 60 {
		now := start.Add(time.Duration(minute) * time.Minute)
		for i := range known {
			if away := i == 2 && minute%(5*24*60) < 24*60 && minute > 60; !away {
				table = p.plan(table, now).apply(table)
				known[i] = parseAll(table)
			}
			if minute%97 == i {
				secret := keysOf(known[i], cfg, now).Current.Reveal()
				used[secret] = true
				about = append(about, credential{secret, now.Add(ttl)})
			}
		}
		if minute%50 != 0 {
			continue
		}
		about = slices.DeleteFunc(about, func(c credential) bool { return !c.expires.After(now) })
		for _, c := range about {
			if !slices.Contains(table, c.secret) {
				t.Fatalf("%v: a credential that lives until %v is void", now.Sub(start), c.expires.Sub(start))
			}
		}
		if len(table) > 3 {
			t.Fatalf("%v: %d secrets", now.Sub(start), len(table))
		}
	}
	if len(used) < 18 {
		t.Errorf("%d secrets were used", len(used))
	}
}

func TestKeys(t *testing.T) {
	cfg := Config{Every: every, TTL: ttl, Settles: 2 * time.Minute}
	one, two := secretOf(1, 0), secretOf(2, every)
	for _, tt := range []struct {
		name    string
		values  []string
		after   time.Duration
		current string
		trying  bool // Newest and Before are there
	}{
		{"none", nil, 0, "", false},
		{"the first", []string{one}, 0, one, false},
		{"the second is new", []string{one, two}, every, one, true},
		{"almost settled", []string{two, one}, every + 2*time.Minute - time.Second, one, true},
		{"settled", []string{two, one}, every + 2*time.Minute, two, true},
		{"the first may go", []string{two, one}, every + ttl, two, false},
		{"made in the future", []string{two, one}, 0, two, false},
		{"taken back", []string{one}, every, one, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := keysOf(parseAll(tt.values), cfg, start.Add(tt.after))
			if k.Current.Reveal() != tt.current || k.Newest.IsEmpty() == tt.trying || k.Before.IsEmpty() == tt.trying || len(k.All) != len(tt.values) {
				t.Errorf("%q, %q, %q, %d", k.Current.Reveal(), k.Newest.Reveal(), k.Before.Reveal(), len(k.All))
			}
			if tt.trying && (k.Newest.Reveal() != two || k.Before.Reveal() != one) {
				t.Error("the wrong ones are tried")
			}
			if shown := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(shown, "extdisco-") {
				t.Errorf("shows %s", shown)
			}
		})
	}
}

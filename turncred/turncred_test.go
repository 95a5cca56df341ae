package turncred_test

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/turncred"
)

func TestPasswordKnownAnswers(t *testing.T) {
	tests := []struct{ username, sharedSecret, password string }{
		{"100:dummy_user", "my shared secret", "aBGRg1t/TGlc9+gkWObW2Li97Ew="},
		{"10000:dummy_user@example.org", "secret123", "CKDrp61KWUnSXKusLAMKmL0qcQo="},
		{"1772853308:example.org", "super#secret", "+THIMe4fdg70xzgyfQe1sXwl8ys="},
		{"5318549598:example.org", "super#secret", "D8j9h+xPoWi8AL7Q5AfGywcRy10="},
		{"1795309895", "abc", "ulDxYCyAvW0bO3gljVzSEYjLkik="},
		{"1795266551:5f9f079fbd8d428d", "abc", "efDZHmsYVke5QxS2bnTLxDh5PWM="},
		{"1599491771", "foobar", "Tpz/nKkyvX/vMSLKvL4sbtBt8Vs="},
	}
	for _, tt := range tests {
		t.Run(tt.username, func(t *testing.T) {
			s := turncred.NewSharedSecret([]byte(tt.sharedSecret), nil, time.Hour)
			for range 2 { // the second one uses the HMAC again
				if got := string(s.AppendPassword(nil, []byte(tt.username))); got != tt.password {
					t.Errorf("password = %q, want %q", got, tt.password)
				}
			}
		})
	}
}

func TestExpiresAfter(t *testing.T) {
	tests := []struct {
		name string
		now  time.Time
		ttl  time.Duration
		want int64
	}{
		{"a day", time.Unix(1_800_000_000, 0), 24 * time.Hour, 1_800_086_400},
		{"fraction is cut", time.Unix(1_800_000_000, 999_999_999), time.Second, 1_800_000_001},
		{"last instant coturn takes", time.Unix(1<<31-2, 0), time.Second, 1<<31 - 1},
		{"beyond it is capped", time.Unix(1<<31-1, 0), time.Second, 1<<31 - 1},
		{"longest duration is capped", time.Unix(1_800_000_000, 0), 1<<63 - 1, 1<<31 - 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := turncred.ExpiresAfter(tt.now, tt.ttl); got != tt.want {
				t.Errorf("ExpiresAfter = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestSharedSecretIssue(t *testing.T) {
	s := turncred.NewSharedSecret([]byte("north"), turncred.NewPseudonyms([]byte("key")), time.Hour)
	now := time.Unix(1_800_000_000, 500)
	var c turncred.Credential
	s.Issue(&c, []byte("juliet@example.org"), now)
	if want := time.Unix(1_800_003_600, 0).UTC(); !c.Expires.Equal(want) || c.Expires.Location() != time.UTC {
		t.Errorf("Expires = %v, want %v", c.Expires, want)
	}
	username := string(c.Username)
	if !regexp.MustCompile(`^1800003600:[0-9a-f]{16}$`).MatchString(username) {
		t.Errorf("username = %q", username)
	}
	if strings.Contains(username, "juliet") {
		t.Errorf("username %q names the requester", username)
	}
	if got := string(s.AppendPassword(nil, c.Username)); got != string(c.Password) {
		t.Errorf("password %q does not belong to the username", c.Password)
	}
	s.Issue(&c, []byte("romeo@example.org"), now)
	if string(c.Username) == username {
		t.Error("two requesters share a username")
	}
	s.Issue(&c, []byte("juliet@example.org"), now)
	if string(c.Username) != username {
		t.Error("the pseudonym of a requester changed")
	}
}

// The values were computed with openssl dgst and sha1sum.
func TestPseudonymKnownAnswers(t *testing.T) {
	key := []byte("key")
	tests := []struct {
		name       string
		pseudonyms *turncred.Pseudonyms
		requester  string
		want       string
	}{
		{"user", turncred.NewPseudonyms(key), "juliet@example.org", "bfbe1304755cdc44"},
		{"nobody", turncred.NewPseudonyms(key), "", "5d5d139563c95b59"},
		{"for ejabberd", turncred.NewEjabberdPseudonyms(key, "example.org"), "juliet@example.org", "bfbe130420116dfd"},
		{"with a domain", turncred.NewDomainPseudonyms(key), "juliet@example.org", "bfbe1304755cdc44" + "39ff7540"},
		{"with the domain of nobody known", turncred.NewDomainPseudonyms(key), "example.org/random", "a7570fd6eeec2957" + "39ff7540"},
		{"derived key", turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte("north"))), "juliet@example.org", "d2db96616795330a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second one uses the HMAC again
				if got := string(tt.pseudonyms.Append([]byte("1:"), []byte(tt.requester))); got != "1:"+tt.want {
					t.Errorf("pseudonym = %s, want 1:%s", got, tt.want)
				}
			}
		})
	}
}

func TestDerivedPseudonymKeyKnownAnswer(t *testing.T) {
	const want = "38227c9dcc47d0af580e1b036897d6118713d9bc438ea64f452f57aa2eeae45f"
	if got := hex.EncodeToString(turncred.DerivePseudonymKey([]byte("north"))); got != want {
		t.Errorf("key = %s, want %s", got, want)
	}
}

func TestSharedSecretDerivesPseudonyms(t *testing.T) {
	issue := func(p *turncred.Pseudonyms) string {
		var c turncred.Credential
		turncred.NewSharedSecret([]byte("north"), p, time.Hour).Issue(&c, []byte("juliet@example.org"), time.Unix(1_800_000_000, 0))
		return string(c.Username)
	}
	derived := turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte("north")))
	if got, want := issue(nil), issue(derived); got != want {
		t.Errorf("without pseudonyms %s is issued, want %s", got, want)
	}
	if issue(nil) == issue(turncred.NewPseudonyms([]byte("key"))) {
		t.Error("the pseudonyms given are not used")
	}
}

func TestIsPseudonym(t *testing.T) {
	tests := []struct {
		name, in string
		want     bool
	}{
		{"every digit", "0123456789abcdef", true},
		{"too short", "0123456789abcde", false},
		{"too long", "0123456789abcdef0", false},
		{"before 0", "0123456789abcde/", false},
		{"after 9", "0123456789abcde:", false},
		{"before a", "0123456789abcde`", false},
		{"after f", "0123456789abcdeg", false},
		{"capitals", "0123456789ABCDEF", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := turncred.IsPseudonym(tt.in); got != tt.want {
				t.Errorf("IsPseudonym(%q) = %v", tt.in, got)
			}
		})
	}
}

func TestIssueTo(t *testing.T) {
	s := turncred.NewSharedSecret([]byte("north"), nil, time.Hour)
	var c turncred.Credential
	if err := s.IssueTo(&c, "probe", time.Unix(1_800_000_000, 0), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Username), "1800000060:probe"; got != want {
		t.Errorf("username = %q, want %q", got, want)
	}
	if want := time.Unix(1_800_000_060, 0).UTC(); c.Expires != want || c.Plain {
		t.Errorf("expires %v, plain %v; want %v and false", c.Expires, c.Plain, want)
	}
	if want := string(s.AppendPassword(nil, c.Username)); string(c.Password) != want {
		t.Error("the password does not belong to the username")
	}
	if err := s.IssueTo(&c, "al'ice", time.Unix(0, 0), time.Minute); err == nil {
		t.Error("a user part with a quote was accepted")
	}
}

// ejabberd's TURN server accepts usernames in one form only.
func TestEjabberdUsernames(t *testing.T) {
	pseudonyms := turncred.NewEjabberdPseudonyms([]byte("key"), "example.org")
	s := turncred.NewSharedSecret([]byte("north"), pseudonyms, time.Hour)
	now := time.Unix(1_800_000_000, 0)
	var issued, to turncred.Credential
	s.Issue(&issued, []byte("juliet@example.org"), now)
	if err := s.IssueTo(&to, "juliet@example.org", now, time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]turncred.Credential{"1800003600": issued, "1800000060": to} {
		user, found := strings.CutPrefix(string(c.Username), name+":")
		if !found || user != string(pseudonyms.Append(nil, []byte("juliet@example.org"))) || !turncred.IsPseudonym(user) || !strings.HasSuffix(user, "20116dfd") {
			t.Errorf("username %s", c.Username)
		}
		if want := string(s.AppendPassword(nil, c.Username)); string(c.Password) != want {
			t.Error("the password does not belong to the username")
		}
	}
}

func TestCheckUser(t *testing.T) {
	tests := []struct {
		name, user string
		ok         bool
	}{
		{"plain", "alice", true},
		{"every kind", "azAZ09._~@-", true},
		{"before a", "`", false},
		{"after z", "{", false},
		{"after Z", "[", false},
		{"before 0", "/", false},
		{"union alone", "reunion", true},
		{"empty", "", false},
		{"blank", "a b", false},
		{"tab", "a\tb", false},
		{"single quote", "al'ice", false},
		{"double quote", `al"ice`, false},
		{"backslash", `al\ice`, false},
		{"colon", "a:b", false},
		{"newline", "a\n", false},
		{"not ASCII", "zoë", false},
		{"union and select", "reunion-selection", false},
		{"Union and SELECT", "ReUnion-SELECTion", false},
		{"too long", strings.Repeat("a", 481), false},
		{"longest", strings.Repeat("a", 480), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := turncred.CheckUser(tt.user); (err == nil) != tt.ok {
				t.Errorf("CheckUser(%q) = %v", tt.user, err)
			}
		})
	}
}

func TestStaticIssue(t *testing.T) {
	s := turncred.NewStatic("user", []byte("pass"))
	c := turncred.Credential{Username: []byte("a longer one"), Expires: time.Unix(1, 0)}
	s.Issue(&c, []byte("juliet@example.org"), time.Unix(1_800_000_000, 0))
	if string(c.Username) != "user" || string(c.Password) != "pass" || !c.Expires.IsZero() {
		t.Errorf("credential = %s %s %v", c.Username, c.Password, c.Expires)
	}
}

func BenchmarkIssue(b *testing.B) {
	s := turncred.NewSharedSecret([]byte("north"), nil, time.Hour)
	var c turncred.Credential
	requester, now := []byte("juliet@example.org"), time.Unix(1_800_000_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		s.Issue(&c, requester, now)
	}
}

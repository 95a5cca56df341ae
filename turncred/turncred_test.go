package turncred_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/internal/secret"
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
			s := turncred.NewSharedSecret(secret.New(tt.sharedSecret), secret.Secret{}, time.Hour)
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
	s := turncred.NewSharedSecret(secret.New("north"), secret.New("key"), time.Hour)
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

// The pseudonym is AES-CMAC-PRF-128(key, requester) cut to 64 bits; the values were
// computed with openssl.
func TestPseudonymKnownAnswers(t *testing.T) {
	tests := []struct{ key, requester, want string }{
		{"key", "juliet@example.org", "5a21704e69d6812d"},
		{"key", "", "38cd1fe6d829db35"},
	}
	for _, tt := range tests {
		t.Run(tt.requester, func(t *testing.T) {
			p := turncred.NewPseudonyms(secret.New(tt.key))
			if got := string(p.Append(nil, []byte(tt.requester))); got != tt.want {
				t.Errorf("pseudonym = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPseudonymKey(t *testing.T) {
	issue := func(sharedSecret, key string) string {
		var c turncred.Credential
		turncred.NewSharedSecret(secret.New(sharedSecret), secret.New(key), time.Hour).
			Issue(&c, []byte("juliet@example.org"), time.Unix(1_800_000_000, 0))
		return string(c.Username)
	}
	if issue("north", "key") != issue("south", "key") {
		t.Error("with one key a new shared secret changed the pseudonym")
	}
	if issue("north", "") == issue("south", "") {
		t.Error("without a key the pseudonym does not depend on the shared secret")
	}
	if issue("north", "") == issue("north", "north") {
		t.Error("the derived key is the shared secret itself")
	}
}

func TestIssueTo(t *testing.T) {
	s := turncred.NewSharedSecret(secret.New("north"), secret.Secret{}, time.Hour)
	var c turncred.Credential
	if err := s.IssueTo(&c, "probe", time.Unix(1_800_000_000, 0), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Username), "1800000060:probe"; got != want {
		t.Errorf("username = %q, want %q", got, want)
	}
	if err := s.IssueTo(&c, "al'ice", time.Unix(0, 0), time.Minute); err == nil {
		t.Error("a user part with a quote was taken")
	}
}

func TestCheckUser(t *testing.T) {
	tests := []struct {
		name, user string
		ok         bool
	}{
		{"plain", "alice", true},
		{"every kind", "aZ09._~@-", true},
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
	s := turncred.NewStatic("user", secret.New("pass"))
	c := turncred.Credential{Username: []byte("a longer one"), Expires: time.Unix(1, 0)}
	s.Issue(&c, []byte("juliet@example.org"), time.Unix(1_800_000_000, 0))
	if string(c.Username) != "user" || string(c.Password) != "pass" || !c.Expires.IsZero() {
		t.Errorf("credential = %s %s %v", c.Username, c.Password, c.Expires)
	}
}

func BenchmarkIssue(b *testing.B) {
	s := turncred.NewSharedSecret(secret.New("north"), secret.Secret{}, time.Hour)
	var c turncred.Credential
	requester, now := []byte("juliet@example.org"), time.Unix(1_800_000_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		s.Issue(&c, requester, now)
	}
}

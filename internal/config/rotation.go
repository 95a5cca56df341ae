package config

import (
	"net/url"
	"time"

	"extdisco/internal/rotation"
)

// leastRotation is the shortest rotate. A shorter one would fill coturn's table with
// secrets, each of which it tries for every client.
const leastRotation = time.Hour

// readRotation reads how the shared secret of a server is rotated; nil where it is not. realm is
// the key of that name.
func readRotation(t *table, realm string, ttl time.Duration) *rotation.Config {
	inline := t.r.inlineSecret
	c := &rotation.Config{Every: t.duration("rotate", 0), Database: t.secret("coturn_db"), Realm: realm, TTL: ttl}
	if u, err := url.Parse(c.Database.Reveal()); err == nil && u.User == nil && !u.Query().Has("password") {
		t.r.inlineSecret = inline // the name of a file, or a database that asks for no password
	}
	key := t.secretKey("coturn_db")
	switch {
	case !t.has("rotate") && !t.hasSecret("coturn_db"):
		return nil
	case !t.hasSecret("coturn_db"):
		t.fault("rotate", "requires coturn_db_file, which is not set; name the file with the URL of coturn's database, such as postgres://user:password@host/database")
	case !t.has("rotate"):
		t.fault(key, "requires rotate, which is not set; write how long each secret makes credentials, such as \"720h\"")
	case t.hasSecret("secret") || t.hasSecret("previous_secret"):
		old := t.secretKey("secret")
		if t.hasSecret("previous_secret") {
			old = t.secretKey("previous_secret")
		}
		t.fault(old, "cannot be combined with coturn_db, where the secrets are; remove it")
	case t.has("username_form"):
		t.fault("username_form", "cannot be combined with coturn_db; remove it, coturn takes the usual form")
	case !t.has("realm"):
		t.missing("realm", ", and coturn_db requires it; write what stands in coturn's configuration after realm=")
	case c.Every > 0 && c.Every < leastRotation:
		t.fault("rotate", "is too short; write at least \"1h\"")
	case c.Every > 0 && c.Every < ttl:
		t.fault("rotate", "is shorter than credentials live (ttl, %s); write a longer time, such as \"720h\"", FormatDuration(ttl))
	}
	if !c.Database.IsEmpty() {
		if _, err := rotation.Open(c.Database, c.Realm); err != nil {
			t.fault(key, "%v", err)
		}
	}
	return c
}

// shareRotations has servers that share the secrets of a realm agree on when they change: the
// shortest rotate and the longest ttl count for all of them. dir is where they are kept.
func shareRotations(servers []ICEServer, dir string) {
	for _, s := range servers {
		if s.Rotation == nil {
			continue
		}
		s.Rotation.StateDir = dir
		for _, other := range servers {
			if o := other.Rotation; o != nil && o.Database.Equal(s.Rotation.Database) && o.Realm == s.Rotation.Realm {
				s.Rotation.Every, s.Rotation.TTL = min(s.Rotation.Every, o.Every), max(s.Rotation.TTL, o.TTL)
			}
		}
	}
}

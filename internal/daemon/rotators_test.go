package daemon

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/testkit"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// coturnTable makes coturn's table in a file of SQLite, and returns what runs statements there.
func coturnTable(t *testing.T, file string) func(statement string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	run := func(statement string) []string {
		t.Helper()
		rows, err := db.Query(statement)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var list []string
		for rows.Next() {
			var value string
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			list = append(list, value)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return list
	}
	run("CREATE TABLE turn_secret (realm varchar(127), value varchar(256), primary key (realm,value))")
	run("PRAGMA journal_mode=WAL")
	return run
}

func rotatingBy(file string) string {
	return `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[[ice_server]]
urls = ["stun:a.example.org", "turn:a.example.org"]
rotate = "720h"
realm = "turn.example.org"
coturn_db = "sqlite:` + file + `"
`
}

// offeredBy returns the types on offer, and whether the credential is made with the secret.
func offeredBy(t *testing.T, d *daemon, secret string) (types string, made bool) {
	t.Helper()
	reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, offerTo(d, "alice@example.org", testkit.Time))
	if err != nil {
		return err.Error(), false
	}
	for _, s := range testkit.ParseServices(t, string(reply)) {
		types += s.Type + " "
		if s.Password != "" && s.Password == string(turncred.NewSharedSecret([]byte(secret), nil, 0).AppendPassword(nil, []byte(s.Username))) {
			made = true
		}
	}
	return types, made
}

func TestSecretRotatesByItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "turndb")
	query := coturnTable(t, file)
	d, log := newTestDaemon(t, rotatingBy(file))
	defer d.close()
	const read = "SELECT value FROM turn_secret WHERE realm = 'turn.example.org'"
	first := query(read)
	if len(first) != 1 {
		t.Fatalf("%d secrets", len(first))
	}
	if types, made := offeredBy(t, d, first[0]); types != "stun turn " || !made {
		t.Errorf("offers %s, made with the secret of the database: %v", types, made)
	}
	<-d.rotated.changed
	mark := d.offers.now().mark([]byte("example.org"), testkit.Time)
	d.use(d.cfg, testkit.Time) // as after any reload
	if again := d.offers.now().mark([]byte("example.org"), testkit.Time); again != mark {
		t.Error("the mark changes with nothing")
	}
	query("DELETE FROM turn_secret")
	d.rotated.look()
	<-d.rotated.changed
	d.use(d.cfg, testkit.Time)
	second := query(read)
	if len(second) != 1 || second[0] == first[0] {
		t.Fatalf("%d secrets", len(second))
	}
	if _, made := offeredBy(t, d, second[0]); !made {
		t.Error("credentials are not made with the new secret")
	}
	if again := d.offers.now().mark([]byte("example.org"), testkit.Time); again == mark {
		t.Error("open sessions are not told of the new secret")
	}
	status, metrics := d.state.Status(time.Now()), d.state.forMetrics(time.Now())
	if len(status.Rotations) != 1 || status.Rotations[0].Error != "" || status.Rotations[0].Next.Sub(status.Rotations[0].Rotated) != 720*time.Hour {
		t.Errorf("the page has %+v", status.Rotations)
	}
	if len(metrics.Rotations) != 1 || !metrics.Rotations[0].Up || metrics.Rotations[0].Config != "ice_server[0]" {
		t.Errorf("the metrics have %+v", metrics.Rotations)
	}
	if strings.Contains(log.String(), "extdisco-") {
		t.Error(log.String())
	}
}

// Without the database, a start offers what it can, and credentials of the secret that is kept.
func TestStartWithoutTheDatabase(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "turndb")
	d, log := newTestDaemon(t, rotatingBy(file))
	if types, _ := offeredBy(t, d, ""); types != "stun " {
		t.Errorf("without any secret, offers %s", types)
	}
	if configured, available := d.offers.now().turn(testkit.Time); !configured || available {
		t.Errorf("TURN is configured %v, available %v", configured, available)
	}
	if s := d.state.Status(time.Now()); len(s.Rotations) != 1 || s.Rotations[0].Error == "" || s.Rotations[0].Cure == "" {
		t.Errorf("the page has %+v", s.Rotations)
	}
	if d.state.forMetrics(time.Now()).Rotations[0].Up || !strings.Contains(log.String(), "cannot use coturn's database") {
		t.Error(log.String())
	}
	query := coturnTable(t, file)
	d.rotated.look()
	<-d.rotated.changed
	d.use(d.cfg, testkit.Time)
	secret := query("SELECT value FROM turn_secret")[0]
	if types, made := offeredBy(t, d, secret); types != "stun turn " || !made {
		t.Errorf("once it is there, offers %s, %v", types, made)
	}
	d.close()
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(d.cfg.File, testkit.Time)
	if err != nil {
		t.Fatal(err)
	}
	again := newDaemon(Options{Config: cfg, Log: d.log}, d.log, new(problemLog), newRelayServer(d.log, false), testkit.Time)
	defer again.close()
	if _, made := offeredBy(t, again, secret); !made {
		t.Error("a start without the database has forgotten the secret")
	}
}

// A reload keeps the rotations that stay, and ends the others.
func TestReloadKeepsRotations(t *testing.T) {
	file := filepath.Join(t.TempDir(), "turndb")
	coturnTable(t, file)
	d, _ := newTestDaemon(t, rotatingBy(file))
	defer d.close()
	before := d.rotated.list[0].Rotator
	for _, change := range []struct {
		config string
		want   int
		same   bool
	}{
		{rotatingBy(file), 1, true},
		{rotatingBy(file) + "[[ice_server]]\nurls = [\"turn:b.example.org\"]\nrotate = \"720h\"\nrealm = \"turn.example.org\"\ncoturn_db = \"sqlite:" + file + "\"\n", 1, true},
		{strings.Replace(rotatingBy(file), "720h", "48h", 1), 1, false},
		{testkit.MinimalConfig, 0, false},
	} {
		cfg, err := config.Load(testkit.WriteConfig(t, change.config), testkit.Time)
		if err != nil {
			t.Fatal(err)
		}
		for i := range cfg.ICEServers {
			if r := cfg.ICEServers[i].Rotation; r != nil {
				r.StateDir = d.cfg.ICEServers[0].Rotation.StateDir // each file here has a folder of its own
			}
		}
		d.rotated.use(cfg)
		if n := len(d.rotated.list); n != change.want || n == 1 && (d.rotated.list[0].Rotator == before) != change.same {
			t.Errorf("%d rotations, want %+v", n, change)
		}
		if len(cfg.ICEServers) == 2 {
			for _, s := range d.servers(cfg) {
				if s.SharedSecret.IsEmpty() {
					t.Errorf("%s has no secret", s.Key)
				}
			}
		}
	}
}

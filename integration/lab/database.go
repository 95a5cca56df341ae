package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The password has characters that a URL must escape, and none that coturn's lines could not hold.
const (
	DatabasePassword    = "Pass/word@Of:The%Lab"
	databasePasswordURL = "Pass%2Fword%40Of%3AThe%25Lab"
)

// Database is a private server, or file, with coturn's tables.
type Database struct {
	Kind   string // "sqlite", "postgres", "mysql", "redis"
	URL    string // as coturn_db
	Coturn string // the line that names it in coturn's configuration

	exec func(statement string) *exec.Cmd
	daemon
}

// StartDatabase starts a database of a kind in dir, an empty folder.
func StartDatabase(ctx context.Context, kind, dir string) (*Database, error) {
	for _, folder := range []string{dir, filepath.Dir(dir)} { // servers have users of their own
		if err := os.Chmod(folder, 0o755); err != nil {
			return nil, err
		}
	}
	if kind == "sqlite" {
		return newSQLite(ctx, dir)
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	d := &Database{Kind: kind, daemon: daemon{name: kind, dir: dir, env: []string{"HOME=" + dir, "LC_ALL=C"}, logs: []string{filepath.Join(dir, kind+".log")}}}
	setup := map[string]func(context.Context, *Database, string, string) error{"postgres": setUpPostgres, "mysql": setUpMySQL, "redis": setUpRedis}[kind]
	if setup == nil {
		return nil, fmt.Errorf("lab: no database %q", kind)
	}
	if err := setup(ctx, d, dir, strconv.Itoa(port)); err != nil {
		return nil, fmt.Errorf("lab: %s: %w", kind, err)
	}
	if err := d.Start(ctx); err != nil {
		return nil, err
	}
	switch kind {
	case "mysql":
		err = d.Exec("CREATE DATABASE coturn; CREATE USER turn@'127.0.0.1' IDENTIFIED BY '" + DatabasePassword + "'; GRANT ALL ON coturn.* TO turn@'127.0.0.1'; USE coturn; " + schema)
	case "postgres":
		err = d.Exec(schema)
	}
	return d, err
}

// schema is the part of coturn's tables that matters here, as /usr/share/coturn/schema.sql has it.
const schema = "CREATE TABLE turn_secret (realm varchar(127) default '', value varchar(256), primary key (realm,value));"

// Stop ends the server, whoever is connected to it.
func (d *Database) Stop() error {
	switch d.Kind {
	case "sqlite":
		return nil
	case "postgres":
		_ = d.signal(syscall.SIGINT) // SIGTERM waits for those who are connected
	}
	return d.daemon.Stop()
}

// Exec runs a statement in the database's own client.
func (d *Database) Exec(statement string) error {
	_, err := d.Query(statement)
	return err
}

// Query runs a statement and returns what the database's own client prints.
func (d *Database) Query(statement string) (string, error) {
	out, err := d.exec(statement).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", d.Kind, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// answers is a statement that works once the server does.
func (d *Database) answers(statement string) func(context.Context) error {
	return func(context.Context) error { return d.Exec(statement) }
}

func newSQLite(ctx context.Context, dir string) (*Database, error) {
	file := filepath.Join(dir, "turndb")
	d := &Database{Kind: "sqlite", URL: "sqlite:" + file, Coturn: "userdb=" + file}
	d.exec = func(statement string) *exec.Cmd {
		return exec.Command("sqlite3", "-cmd", ".timeout 5000", file, statement)
	}
	tables, err := os.ReadFile("/usr/share/coturn/schema.sql")
	if err != nil {
		return nil, err
	}
	return d, d.Exec(string(tables) + "PRAGMA journal_mode=WAL;")
}

// asUser returns a command as a user, where we are root.
func asUser(user string, argv ...string) []string {
	if os.Geteuid() != 0 {
		return argv
	}
	return append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"}, argv...)
}

// own makes a folder that belongs to a user, where we are root.
func own(ctx context.Context, dir, user string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil || os.Geteuid() != 0 {
		return err
	}
	return exec.CommandContext(ctx, "chown", user+":", dir).Run()
}

func run(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv, err, out)
	}
	return nil
}

func setUpPostgres(ctx context.Context, d *Database, dir, port string) error {
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(programs) == 0 {
		return errors.New("there is no PostgreSQL; install the package postgresql")
	}
	bin, data := slices.Max(programs), filepath.Join(dir, "data")
	password := filepath.Join(dir, "password")
	if err := errors.Join(own(ctx, data, "postgres"), os.WriteFile(password, []byte(DatabasePassword), 0o644)); err != nil {
		return err
	}
	if err := run(ctx, asUser("postgres", bin+"/initdb", "-D", data, "-U", "turn", "-A", "scram-sha-256", "--pwfile", password, "--no-sync", "-E", "UTF8", "--locale=C")...); err != nil {
		return err
	}
	d.argv = asUser("postgres", bin+"/postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB")
	d.URL = "postgres://turn:" + databasePasswordURL + "@127.0.0.1:" + port + "/postgres?sslmode=disable"
	d.Coturn = fmt.Sprintf("psql-userdb=\"host=127.0.0.1 dbname=postgres user=turn password=%s port=%s connect_timeout=5\"", DatabasePassword, port)
	d.exec = func(statement string) *exec.Cmd {
		cmd := exec.Command("psql", "-h", "127.0.0.1", "-p", port, "-U", "turn", "-At", "-c", statement, "postgres")
		cmd.Env = append(os.Environ(), "PGPASSWORD="+DatabasePassword)
		return cmd
	}
	d.ready = append(d.ready, d.answers("SELECT 1"))
	return nil
}

func setUpMySQL(ctx context.Context, d *Database, dir, port string) error {
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "data", "s")
	if err := own(ctx, data, "mysql"); err != nil {
		return err
	}
	if err := run(ctx, asUser("mysql", "mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")...); err != nil {
		return err
	}
	d.argv = asUser("mysql", "mariadbd", "--no-defaults", "--datadir="+data, "--port="+port, "--bind-address=127.0.0.1", "--socket="+socket, "--skip-name-resolve=1", "--innodb-buffer-pool-size=16M")
	d.URL = "mysql://turn:" + databasePasswordURL + "@127.0.0.1:" + port + "/coturn"
	d.Coturn = fmt.Sprintf("mysql-userdb=\"host=127.0.0.1 dbname=coturn user=turn password=%s port=%s connect_timeout=5 read_timeout=5\"", DatabasePassword, port)
	d.exec = func(statement string) *exec.Cmd {
		return exec.Command("mariadb", "--no-defaults", "--socket="+socket, "-u", "root", "-BN", "-e", "CREATE DATABASE IF NOT EXISTS coturn; USE coturn; "+strings.ReplaceAll(statement, "CREATE DATABASE coturn;", ""))
	}
	d.ready = append(d.ready, d.answers("SELECT 1"))
	return nil
}

func setUpRedis(_ context.Context, d *Database, dir, port string) error {
	d.argv = []string{"redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--requirepass", DatabasePassword, "--daemonize", "no"}
	d.URL = "redis://:" + databasePasswordURL + "@127.0.0.1:" + port + "/2"
	d.Coturn = fmt.Sprintf("redis-userdb=\"ip=127.0.0.1 dbname=2 password=%s port=%s connect_timeout=5\"", DatabasePassword, port)
	d.exec = func(statement string) *exec.Cmd {
		cmd := exec.Command("redis-cli", append([]string{"--no-auth-warning", "-p", port, "-n", "2"}, strings.Fields(statement)...)...)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+DatabasePassword)
		return cmd
	}
	d.ready = append(d.ready, func(context.Context) error {
		if out, err := d.Query("PING"); err != nil || out != "PONG" {
			return fmt.Errorf("%s, %w", out, err)
		}
		return nil
	})
	return nil
}

package rotation

import (
	"errors"
	"io"
	"log"
	"net"
	"net/url"
	"strconv"
	"strings"

	"extdisco/internal/secret"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// Open returns the database that a URL names:
//
//	sqlite:/var/lib/turn/turndb
//	postgres://user:password@host:5432/database?sslmode=verify-full
//	mysql://user:password@host:3306/database?tls=true
//	redis://user:password@host:6379/0 (rediss: with TLS)
//
// It connects to nothing. The error says nothing of the URL, which may hold a password.
func Open(database secret.Secret, realm string) (Database, error) {
	u, err := url.Parse(database.Reveal())
	if err != nil {
		return nil, errors.New("is not a URL; write for example \"postgres://user:password@host/database\", with special characters of the password as %XX")
	}
	switch u.Scheme {
	case "sqlite":
		return openSQLite(u, realm)
	case "postgres", "postgresql":
		return openPostgres(u, realm)
	case "mysql":
		return openMySQL(u, realm)
	case "redis", "rediss":
		return openRedis(u, realm)
	}
	return nil, errors.New("names no kind of database that is known; write sqlite:, postgres://, mysql:// or redis:// (rediss:// with TLS)")
}

func openSQLite(u *url.URL, realm string) (Database, error) {
	file := u.Path
	if file == "" {
		file = u.Opaque
	}
	if u.Host != "" || !strings.HasPrefix(file, "/") {
		return nil, errors.New("does not name the file of SQLite; write \"sqlite:\" and its full name: \"sqlite:/var/lib/turn/turndb\"")
	}
	return &sqlite{u, file, realm}, nil
}

func openPostgres(u *url.URL, realm string) (Database, error) {
	if strings.TrimPrefix(u.Path, "/") == "" && !u.Query().Has("dbname") && !u.Query().Has("database") {
		return nil, errors.New("does not name the database; write \"postgres://user:password@host/database\"")
	}
	if _, err := pgconn.ParseConfig(u.String()); err != nil {
		return nil, errors.New("cannot be understood as the URL of PostgreSQL; write \"postgres://user:password@host:5432/database\", and no more parameters than such as ?sslmode=require")
	}
	return &postgres{u, realm}, nil
}

func openMySQL(u *url.URL, realm string) (Database, error) {
	name := strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" || name == "" {
		return nil, errors.New("does not name host and database; write \"mysql://user:password@host:3306/database\"")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	config, err := mysql.ParseDSN("tcp(" + net.JoinHostPort(u.Hostname(), port) + ")/?" + u.RawQuery)
	if err != nil {
		return nil, errors.New("has parameters that the driver does not know; write none, or for example ?tls=true")
	}
	config.DBName, config.User, config.Timeout, config.ReadTimeout, config.WriteTimeout = name, u.User.Username(), timeout, timeout, timeout
	config.Passwd, _ = u.User.Password()
	config.Logger = log.New(io.Discard, "", 0) // what it would log is in the errors
	return &mySQL{u, config, realm}, nil
}

func openRedis(u *url.URL, realm string) (Database, error) {
	database := strings.TrimPrefix(u.Path, "/")
	if _, err := strconv.ParseUint(database, 10, 16); u.Hostname() == "" || err != nil && database != "" {
		return nil, errors.New("does not name host and number of the database; write \"redis://:password@host:6379/0\"")
	}
	return &redisDB{u, "turn/realm/" + realm + "/secret", "extdisco/lock/" + realm}, nil
}
